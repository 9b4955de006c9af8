//! An OpenAPI document as Swagger 2.0, for clients that read nothing newer. Pure.
//!
//! It is made of the one document that there is, so the two cannot differ. What the older form has no word for is left out: an
//! alternative of schemas stands under `x-oneOf`, where no reader has to look.

mod schema;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use schema::{Object, changed, of_parameter, of_schema, put};

/// The names of operations in a path's object that the older form has.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// What stands in an operation and is the same in both forms.
const SAME: [&str; 5] = ["tags", "summary", "description", "operationId", "deprecated"];

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data";

/// Where the API is reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    scheme: &'static str,
    /// None: where the document was asked for.
    host: Option<String>,
    base_path: String,
}

impl Place {
    /// On the platform, when it says so in a command's variables, and else where the document was asked for.
    pub(crate) fn new(variable: impl Fn(&str) -> Option<String>, asked_host: Option<&str>) -> Self {
        let host = match variable("BL_ENV").as_deref() {
            Some("prod") => Some("run.blaxel.ai"),
            Some("dev") => Some("run.blaxel.dev"),
            _ => None,
        };
        match (host, variable("BL_WORKSPACE"), variable("BL_NAME")) {
            (Some(host), Some(workspace), Some(name)) => Self {
                scheme: "https",
                host: Some(host.to_owned()),
                base_path: format!("/{workspace}/sandboxes/{name}"),
            },
            _ => Self {
                scheme: "http",
                host: asked_host.filter(|host| is_host(host)).map(str::to_owned),
                base_path: "/".to_owned(),
            },
        }
    }
}

/// Whether the older form has a way to write this `Host`: it has none for addresses of IPv6.
fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    !name.is_empty() && name.chars().all(is_name) && port.parse::<u16>().is_ok()
}

/// Makes the older document of the newer one.
pub(crate) fn of_openapi(document: &Value, place: &Place) -> Value {
    let schemas = object(&document["components"]["schemas"]);
    let mut out = Map::new();
    put(&mut out, "swagger", "2.0".into());
    put(&mut out, "info", info(&document["info"]));
    if let Some(host) = &place.host {
        put(&mut out, "host", host.as_str().into());
    }
    put(&mut out, "basePath", place.base_path.as_str().into());
    put(&mut out, "schemes", json!([place.scheme]));
    if let Some(tags) = document.get("tags") {
        put(&mut out, "tags", tags.clone());
    }
    put(&mut out, "paths", changed(object(&document["paths"]), &|item| path_item(item, schemas)));
    put(&mut out, "definitions", changed(schemas, &of_schema));
    Value::Object(out)
}

fn info(info: &Value) -> Value {
    let mut out = object(info).clone();
    if let Some(Value::Object(license)) = out.get_mut("license") {
        license.remove("identifier");
    }
    Value::Object(out)
}

fn path_item(item: &Value, schemas: &Object) -> Value {
    let mut operations = object(item).clone();
    operations.retain(|method, _| METHODS.contains(&method.as_str()));
    changed(&operations, &|operation| of_operation(operation, schemas))
}

fn of_operation(operation: &Value, schemas: &Object) -> Value {
    let mut out = object(operation).clone();
    out.retain(|key, _| SAME.contains(&key.as_str()));
    let mut parameters: Vec<Value> = list(&operation["parameters"]).iter().filter_map(parameter).collect();
    if let Some(body) = operation.get("requestBody") {
        let content = object(&body["content"]);
        // One operation has a body or a form here, and not both.
        let bodies: Vec<&String> = content.keys().filter(|name| *name != FORM).collect();
        if bodies.is_empty() {
            put(&mut out, "consumes", json!([FORM]));
            parameters.extend(form(&content[FORM]["schema"], schemas));
        } else {
            put(&mut out, "consumes", json!(bodies));
            parameters.push(body_parameter(body, content));
        }
    }
    if !parameters.is_empty() {
        put(&mut out, "parameters", parameters.into());
    }
    let responses = object(&operation["responses"]);
    let mut produces: Vec<&String> = Vec::new();
    for name in responses.values().flat_map(|response| object(&response["content"]).keys()) {
        if !produces.contains(&name) {
            produces.push(name);
        }
    }
    if !produces.is_empty() {
        put(&mut out, "produces", json!(produces));
    }
    put(&mut out, "responses", changed(responses, &of_response));
    Value::Object(out)
}

/// A parameter of the path, the query or a header; there are no others.
fn parameter(parameter: &Value) -> Option<Value> {
    let mut out = of_parameter(&parameter["schema"]);
    let place = parameter["in"].as_str().filter(|place| ["path", "query", "header"].contains(place))?;
    put(&mut out, "in", place.into());
    for key in ["name", "description"] {
        if let Some(value) = parameter.get(key) {
            put(&mut out, key, value.clone());
        }
    }
    let is_required = place == "path" || parameter["required"] == true;
    put(&mut out, "required", is_required.into());
    Some(Value::Object(out))
}

fn body_parameter(body: &Value, content: &Object) -> Value {
    let mut out = Map::new();
    put(&mut out, "in", "body".into());
    put(&mut out, "name", "body".into());
    if let Some(description) = body.get("description") {
        put(&mut out, "description", description.clone());
    }
    put(&mut out, "required", (body["required"] == true).into());
    let schema = schema_in(content).map_or_else(|| json!({}), of_schema);
    put(&mut out, "schema", schema);
    Value::Object(out)
}

/// The fields of a form, each a parameter.
fn form(schema: &Value, schemas: &Object) -> Vec<Value> {
    let schema = resolved(schema, schemas);
    let required = list(&schema["required"]);
    let field = |(name, field): (&String, &Value)| {
        let described = field.get("description");
        let field = resolved(field, schemas);
        let mut out = of_parameter(field);
        if field["format"] == "binary" {
            out.clear();
            put(&mut out, "type", "file".into());
        }
        put(&mut out, "in", "formData".into());
        put(&mut out, "name", name.as_str().into());
        if let Some(description) = described.or_else(|| field.get("description")) {
            put(&mut out, "description", description.clone());
        }
        put(&mut out, "required", required.contains(&name.as_str().into()).into());
        Value::Object(out)
    };
    object(&schema["properties"]).iter().map(field).collect()
}

fn of_response(response: &Value) -> Value {
    let mut out = Map::new();
    put(&mut out, "description", response.get("description").cloned().unwrap_or_else(|| "".into()));
    if let Some(schema) = response.get("content").and_then(Value::as_object).and_then(schema_in) {
        put(&mut out, "schema", of_schema(schema));
    }
    let headers = object(&response["headers"]);
    if !headers.is_empty() {
        put(&mut out, "headers", changed(headers, &of_header));
    }
    Value::Object(out)
}

fn of_header(header: &Value) -> Value {
    let mut out = of_parameter(&header["schema"]);
    if let Some(description) = header.get("description") {
        put(&mut out, "description", description.clone());
    }
    Value::Object(out)
}

/// There is one schema for all forms of a body here: that of JSON, or the first.
fn schema_in(content: &Object) -> Option<&Value> {
    let (_, other) = content.iter().find(|(name, _)| *name != FORM)?;
    content.get(JSON).unwrap_or(other).get("schema")
}

/// What a schema stands for.
fn resolved<'a>(schema: &'a Value, schemas: &'a Object) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix(schema::NEWER));
    name.and_then(|name| schemas.get(name)).unwrap_or(schema)
}

fn object(value: &Value) -> &Object {
    static NONE: LazyLock<Object> = LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
