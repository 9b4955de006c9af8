//! Piece by piece, and our own document as a whole.

use super::*;

#[test]
fn schemas_say_the_same_in_older_words() {
    #[track_caller]
    fn check(newer: &Value, older: &Value) {
        assert_eq!(&of_schema(newer), older, "{newer}");
    }
    check(&json!({"$ref": "#/components/schemas/A"}), &json!({"$ref": "#/definitions/A"}));
    check(
        &json!({"$ref": "#/components/schemas/A", "description": "d"}),
        &json!({"allOf": [{"$ref": "#/definitions/A"}], "description": "d"}),
    );
    check(
        &json!({"type": ["string", "null"], "examples": ["a", "b"], "minLength": 1}),
        &json!({"type": "string", "x-nullable": true, "example": "a", "minLength": 1}),
    );
    check(&json!({"type": ["string", "integer"]}), &json!({}));
    check(&json!({"type": "null", "default": null}), &json!({}));
    check(&json!({"type": "boolean", "default": false}), &json!({"type": "boolean", "default": false}));
    check(
        &json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 9.5}),
        &json!({"type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 9.5, "exclusiveMaximum": true}),
    );
    check(
        &json!({"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"const": 1}}),
        &json!({"type": "object", "additionalProperties": {"enum": [1]}}),
    );
    check(
        &json!({"type": "object", "required": [], "properties": {"a": {"type": "array"}}, "additionalProperties": false}),
        &json!({"type": "object", "properties": {"a": {"type": "array", "items": {}}}, "additionalProperties": false}),
    );
    check(
        &json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/A", "description": "d"}]}),
        &json!({"allOf": [{"$ref": "#/definitions/A"}], "description": "d", "x-nullable": true}),
    );
    check(
        &json!({"anyOf": [{"$ref": "#/components/schemas/A"}], "description": "d"}),
        &json!({"allOf": [{"$ref": "#/definitions/A"}], "description": "d"}),
    );
    check(
        &json!({"oneOf": [{"type": "object"}, {"type": "array", "items": true}]}),
        &json!({"x-oneOf": [{"type": "object"}, {"type": "array", "items": {}}]}),
    );
    check(&json!(true), &json!({}));
}

#[test]
fn operations_say_the_same_in_older_words() {
    let document = json!({
        "components": {"schemas": {
            "Form": {"type": "object", "required": ["file"], "properties": {
                "file": {"$ref": "#/components/schemas/Bytes", "description": "f"}, "mode": {"type": ["string", "null"]}}},
            "Bytes": {"type": "string", "format": "binary"},
        }},
        "paths": {"/a/{b}": {"trace": {}, "put": {
            "operationId": "o", "security": [],
            "parameters": [
                {"name": "b", "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/Bytes"}},
                {"name": "q", "in": "query", "schema": {"type": ["integer", "null"], "minimum": 1, "examples": [2]}},
                {"name": "l", "in": "query", "schema": {"type": "array", "items": {"type": "string", "examples": ["x"]}}},
                {"name": "c", "in": "cookie", "schema": {"type": "string"}},
            ],
            "requestBody": {"required": true, "content": {
                "application/octet-stream": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
                "multipart/form-data": {"schema": {"$ref": "#/components/schemas/Form"}}}},
            "responses": {
                "200": {"description": "yes", "headers": {"ETag": {"description": "e", "schema": {"type": "string"}}}, "content": {
                    "text/plain": {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}}},
                "204": {"description": "none"}},
        }, "post": {
            "requestBody": {"content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Form"}}}},
            "responses": {}}}},
    });
    let swagger = of_openapi(&document, &Place::new(|_| None, None));
    let put = json!({
        "operationId": "o",
        "consumes": ["application/octet-stream", "application/json"],
        "parameters": [
            {"name": "b", "in": "path", "required": true, "type": "string"},
            {"name": "q", "in": "query", "required": false, "type": "integer", "minimum": 1},
            {"name": "l", "in": "query", "required": false, "type": "array", "items": {"type": "string"}},
            {"name": "body", "in": "body", "required": true, "schema": {"type": "object"}},
        ],
        "produces": ["text/plain", "application/json"],
        "responses": {
            "200": {"description": "yes", "schema": {"type": "object"}, "headers": {"ETag": {"type": "string", "description": "e"}}},
            "204": {"description": "none"}},
    });
    let sorted = |mut value: Value| {
        for key in ["consumes", "produces"] {
            if let Some(list) = value[key].as_array_mut() {
                list.sort_by_key(|name| name.as_str().map(str::to_owned));
            }
        }
        value
    };
    assert_eq!(sorted(swagger["paths"]["/a/{b}"]["put"].clone()), sorted(put));
    assert!(swagger["paths"]["/a/{b}"].get("trace").is_none());
    assert_eq!(
        swagger["paths"]["/a/{b}"]["post"],
        json!({"consumes": ["multipart/form-data"], "responses": {}, "parameters": [
            {"name": "file", "in": "formData", "required": true, "type": "file", "description": "f"},
            {"name": "mode", "in": "formData", "required": false, "type": "string"}]})
    );
}

#[test]
fn the_place_is_the_platforms_or_where_it_was_asked_for() {
    #[track_caller]
    fn check(variables: &[(&str, &str)], asked: Option<&str>, expect: (&str, Option<&str>, &str)) {
        let of = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let Place { scheme, host, base_path } = Place::new(of, asked);
        assert_eq!((scheme, host.as_deref(), base_path.as_str()), expect);
    }
    let named = |env| [("BL_ENV", env), ("BL_WORKSPACE", "w"), ("BL_NAME", "n")];
    check(&named("prod"), Some("a"), ("https", Some("run.blaxel.ai"), "/w/sandboxes/n"));
    check(&named("dev"), None, ("https", Some("run.blaxel.dev"), "/w/sandboxes/n"));
    check(&named("local"), Some("localhost:8080"), ("http", Some("localhost:8080"), "/"));
    check(&named("dev")[..2], Some("box.test"), ("http", Some("box.test"), "/"));
    for odd in ["[::1]:8080", "a/b", "a:b", "", "a:1:2", "\""] {
        check(&[], Some(odd), ("http", None, "/"));
    }
    check(&[], None, ("http", None, "/"));
}
