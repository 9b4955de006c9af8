// The ways in which the SDK is told where a sandbox is.

import { SandboxInstance } from "@blaxel/core";

/** No header of the SDK goes out: `forceUrl` replaces them all, and none are given. */
export function plain(url) {
  return new SandboxInstance({ metadata: { name: "box" }, spec: {}, forceUrl: url });
}

/** The SDK's own headers go out, made from BL_API_KEY and BL_WORKSPACE. */
export function marked(url) {
  return new SandboxInstance({ metadata: { name: "box", url }, spec: {} });
}

export function withHeaders(url, headers) {
  return new SandboxInstance({ metadata: { name: "box" }, spec: {}, forceUrl: url, headers });
}

/** Every way that works in the default dialect and can carry a token, by name. Expects BL_API_KEY to hold the token. */
export function clients(url, token) {
  return {
    "metadata.url and BL_API_KEY": marked(url),
    "BL_SANDBOX_SMOKE_BOX_URL and BL_API_KEY": new SandboxInstance({ metadata: { name: "smoke-box" }, spec: {} }),
    "fromSession": SandboxInstance.fromSession({ name: "box", url, token, expiresAt: new Date(Date.now() + 3600e3) }),
    "forceUrl and a header x-blaxel-authorization": withHeaders(url, { "x-blaxel-authorization": `Bearer ${token}` }),
    "forceUrl and headers Authorization, Blaxel-Version": withHeaders(url, {
      "Authorization": `Bearer ${token}`,
      "Blaxel-Version": "2026-04-28",
    }),
  };
}
