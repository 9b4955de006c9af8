// Shows /openapi.json: an index, a section for each operation, and the objects at the end.
"use strict";

const METHODS = ["get", "post", "put", "delete"];

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// The little Markdown that descriptions use: paragraphs, `code` and **strong**. Everything else stays text.
function prose(text) {
  return (text || "").split(/\n\s*\n/).filter(Boolean).map((paragraph) => element("p", {}, ...inline(paragraph)));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return element("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return element("strong", {}, part.slice(2, -2));
    return part;
  });
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return element("a", { href: "#schema-" + name }, name);
  }
  const alternatives = schema.oneOf || schema.anyOf;
  if (alternatives) return join(alternatives.map(typeOf), " or ");
  const type = [schema.type].flat().filter((t) => t && t !== "null").join(" or ");
  if (type === "array") return join(["list of ", typeOf(schema.items)], "");
  if (schema.additionalProperties) return join(["map to ", typeOf(schema.additionalProperties)], "");
  return type;
}

function join(parts, separator) {
  const node = element("span", {});
  parts.forEach((part, i) => node.append(i && separator ? separator : "", part));
  return node;
}

function example(schema) {
  const value = (schema.examples || [])[0] ?? schema.default;
  return value === undefined ? null : element("div", { class: "type" }, "for example ", element("code", {}, JSON.stringify(value)));
}

function rows(entries) {
  const cells = entries.map(([name, required, type, description, extra]) =>
    element("tr", {},
      element("td", {}, element("code", required ? { class: "required" } : {}, name)),
      element("td", { class: "type" }, type),
      element("td", {}, ...inline(description || ""), extra)));
  return element("table", {}, element("tbody", {}, ...cells));
}

function titled(title, node) {
  return [element("h4", {}, title), node];
}

function operation(path, method, op) {
  const section = element("section", { id: op.operationId || method + path },
    element("h3", {}, element("span", { class: "method " + method }, method.toUpperCase()), " ", path));
  section.append(...prose(op.summary), ...prose(op.description));
  const parameters = (op.parameters || []).map((p) =>
    [p.name, p.required, join([typeOf(p.schema), " (" + p.in + ")"], ""), p.description]);
  if (parameters.length) section.append(...titled("Parameters", rows(parameters)));
  if (op.requestBody) {
    const bodies = Object.entries(op.requestBody.content).map(([media, content]) =>
      [media, false, typeOf(content.schema), op.requestBody.description]);
    section.append(...titled("Body", rows(bodies)));
  }
  const answers = Object.entries(op.responses).map(([status, answer]) => {
    const types = Object.entries(answer.content || {}).map(([media, content]) => join([media + " ", typeOf(content.schema)], ""));
    return [status, false, join(types, ", "), answer.description];
  });
  section.append(...titled("Answers", rows(answers)));
  return section;
}

function object(name, schema) {
  const required = new Set(schema.required || []);
  const fields = Object.entries(schema.properties || {}).map(([key, value]) =>
    [key, required.has(key), typeOf(value), value.description, example(value)]);
  return element("section", { id: "schema-" + name }, element("h3", {}, name), ...prose(schema.description), rows(fields));
}

function show(api) {
  document.getElementById("version").textContent = "API " + api.info.version + " · OpenAPI " + api.openapi;
  const index = document.getElementById("index");
  const main = document.getElementById("document");
  main.replaceChildren(...prose(api.info.description));
  index.replaceChildren();
  for (const tag of api.tags || []) {
    index.append(element("h2", {}, tag.name));
    main.append(element("h2", {}, tag.description));
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of METHODS.filter((m) => item[m] && item[m].tags.includes(tag.name))) {
        const section = operation(path, method, item[method]);
        main.append(section);
        index.append(element("a", { href: "#" + section.id }, element("span", { class: "method " + method }, method.toUpperCase()), " ", path));
      }
    }
  }
  index.append(element("h2", {}, "objects"));
  main.append(element("h2", {}, "Objects"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    main.append(object(name, schema));
    index.append(element("a", { href: "#schema-" + name }, name));
  }
}

async function load(token) {
  const headers = token ? { Authorization: "Bearer " + token } : {};
  const answer = await fetch("/openapi.json", { headers });
  document.getElementById("token-form").hidden = answer.status !== 401;
  if (answer.status === 401) {
    document.getElementById("document").textContent = "This daemon asks for its token before it shows its API.";
    return;
  }
  if (!answer.ok) throw new Error("/openapi.json answered " + answer.status);
  show(await answer.json());
}

function attempt(token) {
  load(token).catch((error) => {
    document.getElementById("document").textContent = "The description cannot be shown: " + error.message;
  });
}

document.getElementById("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(document.getElementById("token").value);
});
attempt(null);
