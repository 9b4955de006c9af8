//! What may be sent and what not.

use serde_json::json;

use super::*;

#[track_caller]
fn check(method: &str, target: &str, body: Option<Value>, expected: bool) {
    let call =
        Call { body: body.clone().map_or(Payload::Absent, Payload::Json), ..Call::new(method, target) };
    let leash = Leash { own: false };
    assert_eq!(leash.allows(&call), expected, "{method} {target} {body:?}");
    if let Some(body) = body {
        // In bytes it is what it is.
        let call = Call { body: Payload::Text(body.to_string()), ..call };
        assert_eq!(leash.allows(&call), expected, "{method} {target} as text");
    }
}

#[test]
fn paths_stay_below_the_folder() {
    check("PUT", "/filesystem/{{dir}}/a", None, true);
    check("GET", "/filesystem/{{dir}}", None, true);
    check("GET", "/filesystem/{{dir}}/d/../a", None, true);
    check("DELETE", "/filesystem/{{dir}}?recursive=true", None, false);
    check("DELETE", "/filesystem/{{dir}}/d/..?recursive=true", None, false);
    check("DELETE", "/filesystem/{{dir}}/a", None, true);
    for path in [
        "/..",
        "/a/../..",
        "/%2e%2e",
        "/%252e%252e/x",
        "/%2e./x",
        "x",
        "/a/..%2f..",
        "/..\\..",
        "/%25252525252e",
    ] {
        check("PUT", &format!("/filesystem/{{{{dir}}}}{path}"), None, false);
        check("POST", "/filesystem-chmod", Some(json!({"path": format!("{{{{dir}}}}{path}")})), false);
    }
    for target in [
        "/filesystem/",
        "/filesystem//etc",
        "/filesystem/a",
        "//filesystem/{{dir}}/a",
        "/filesystem/../upgrade",
    ] {
        check("DELETE", target, None, false);
    }
    check(
        "POST",
        "/filesystem-move",
        Some(json!({"Source": "/etc/passwd", "destination": "{{dir}}/a"})),
        false,
    );
    check("POST", "/filesystem-symlink", Some(json!({"target": "/etc", "path": "{{dir}}/l"})), false);
    check("POST", "/filesystem-symlink", Some(json!({"target": "../..", "path": "{{dir}}/l"})), false);
    check("POST", "/filesystem-symlink", Some(json!({"target": "{{dir}}/d", "path": "{{dir}}/l"})), true);
    check("PUT", "/filesystem/tree/{{dir}}/t", Some(json!({"files": {"../x": "y"}})), false);
    check("PUT", "/filesystem/tree/{{dir}}/t", Some(json!({"files": {"a/b": "y"}})), true);
}

#[test]
fn commands_and_processes_are_our_own() {
    let start = |command: &str| Some(json!({"command": command, "name": "{{name}}"}));
    check("POST", "/process", start("true"), true);
    check("POST", "/process", start("rm -rf /"), false);
    check("POST", "/process", Some(json!({"COMMAND": "reboot"})), false);
    check("POST", "/process", Some(json!({"command": "true", "name": "theirs"})), false);
    check("POST", "/process", Some(json!({"command": "true", "env": {"LD_PRELOAD": "x"}})), false);
    check("POST", "/process", Some(json!({"command": "false", "maxRestarts": -1})), false);
    check("POST", "/process", Some(json!({"command": "false", "maxRestarts": 1e9})), false);
    check("DELETE", "/process/{{name}}/kill", None, true);
    check("DELETE", "/process/1/kill", None, false);
    check("DELETE", "/process/{{name}}%2F..%2F1", None, false);
    check("DELETE", "/process/{{name}}/../../upgrade", None, false);
    check("DELETE", "/process/{{name}}?signal=sTOP", None, false);
    check("DELETE", "/process/{{name}}?signal=%53TOP", None, false);
    check("DELETE", "/filesystem-multipart/0f8fad5b/abort", None, false);
    let tool = |name: &str, arguments: Value| {
        Some(
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}),
        )
    };
    check("POST", "/mcp", tool("processExecute", json!({"command": "true"})), true);
    check("POST", "/mcp", tool("processExecute", json!({"command": "halt"})), false);
    check("POST", "/mcp", tool("codegenReapply", json!({"targetFile": "x"})), false);
    check("POST", "/mcp", tool("fsWriteFile", json!({"path": "/etc/x", "content": ""})), false);
    check(
        "POST",
        "/mcp",
        Some(json!([{"params": {"name": "processKill", "arguments": {"identifier": "1"}}}])),
        false,
    );
}

#[test]
fn what_is_no_json_is_read_all_the_same() {
    let leash = Leash { own: false };
    let broken = |text: &str| {
        leash.allows(&Call { body: Payload::Text(text.to_owned()), ..Call::new("POST", "/process") })
    };
    assert!(broken("{\"command\":\"true\",}"));
    assert!(broken("{\"command\":"));
    assert!(!broken("{\"command\":\"echo he"));
    assert!(!broken("{\"command\":\"reboot\",}"));
    assert!(!broken("x{\"name\":\"theirs\""));
}

#[test]
fn nothing_changes_the_host() {
    for own in [false, true] {
        let leash = Leash { own };
        let asked = [
            ("POST", "/upgrade"),
            ("POST", "//upgrade"),
            ("POST", "/%75pgrade"),
            ("PUT", "/network/tunnel/config"),
            ("POST", "/drives/mount"),
            ("POST", "/archive/export"),
            ("GET", "/terminal/ws"),
        ];
        for (method, target) in asked {
            assert!(!leash.allows(&Call::new(method, target)), "{method} {target}");
        }
        for name in ["upgrade", "connection", "host", "expect", "transfer-encoding", "Content-Length"] {
            let mut call = Call::new("GET", "/health");
            call.headers.insert(name.to_owned(), "x".to_owned());
            assert!(!leash.allows(&call), "{name}");
        }
    }
    for target in ["/port/8080/x", "/codegen/fastapply/{{dir}}/a", "/environment/reload", "/archive/resume"] {
        check("POST", target, None, false);
    }
}
