// Runs named checks one after another and prints a line for each: `ok` or `FAILED`.

/** A check that takes longer has failed. */
const LIMIT_MS = 30_000;

export class Report {
  #label;
  #failed = 0;

  constructor(label) {
    this.#label = label;
  }

  /** Runs `{ name: async () => … }` in order. */
  async run(checks) {
    for (const [name, check] of Object.entries(checks)) {
      const start = performance.now();
      let failure;
      try {
        await within(LIMIT_MS, "the check", check());
      } catch (error) {
        failure = error;
      }
      const took = `${Math.round(performance.now() - start)} ms`;
      console.log(`${failure ? "FAILED" : "ok    "}  ${this.#label}: ${name} (${took})`);
      if (failure) {
        this.#failed += 1;
        console.log(String(failure.stack ?? failure).replace(/^/gm, "        "));
      }
    }
  }

  /** Ends the program, with 3 if a check failed: 1 is what a crash ends with. An open stream must not hold it. */
  end() {
    process.exit(this.#failed ? 3 : 0);
  }
}

/** What `promise` brings, or a failure that names what took too long. */
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
