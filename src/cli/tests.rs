//! Command lines and environments as people give them.

use std::time::Duration;

use super::*;
use crate::config::{Listen, StreamDialect};

fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Action, BadUsage> {
    let args = std::iter::once("boxd").chain(args.iter().copied()).map(OsString::from);
    let env: Vec<(String, OsString)> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    parse(args, &move |name| env.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
}

#[track_caller]
fn config(args: &[&str], env: &[(&str, &str)]) -> Config {
    match run(args, env) {
        Ok(Action::Serve(config)) => *config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_word_it_listens_on_loopback_only() {
    for args in [&["serve"][..], &[]] {
        assert_eq!(config(args, &[]).listen, [Listen::Address("127.0.0.1:8080".parse().unwrap())]);
    }
}

#[test]
fn a_port_means_all_interfaces() {
    for args in
        [&["serve", "-p", "9000"][..], &["-p", "9000"], &["-port", "9000"], &["--port=9000"], &["-port=9000"]]
    {
        assert_eq!(config(args, &[]).listen, [Listen::AllInterfaces(9000)], "{args:?}");
    }
    assert_eq!(config(&[], &[("PORT", "81")]).listen, [Listen::AllInterfaces(81)]);
    assert_eq!(config(&["-p", "9000"], &[("PORT", "81")]).listen, [Listen::AllInterfaces(9000)]);
    let both = config(&["--listen", "127.0.0.1:1", "--listen", "[::1]:2", "-p", "3"], &[]).listen;
    assert_eq!(both.len(), 3);
}

#[test]
fn flags_are_understood_as_go_writes_them() {
    let command = |args: &[&str]| config(args, &[]).startup_command;
    for args in [
        &["-c", "-port 1"][..],
        &["--c", "-port 1"],
        &["-command", "-port 1"],
        &["--command=-port 1"],
        &["-command=-port 1"],
        &["-c=-port 1"],
        &["serve", "-c", "-port 1"],
        &["-disable-telemetry", "-p", "9000", "-c", "-port 1"],
    ] {
        assert_eq!(command(args).as_deref(), Some("-port 1"), "{args:?}");
    }
    assert_eq!(command(&["-c", ""]), None);
    assert_eq!(command(&["-c=a=b"]).as_deref(), Some("a=b"));
    for args in [&["--p", "81"][..], &["--p=81"], &["-p=81"], &["-port", "80", "-p", "81"]] {
        assert_eq!(config(args, &[]).listen, [Listen::AllInterfaces(81)], "{args:?}");
    }
    assert!(config(&["--disable-telemetry"], &[]).startup_command.is_none());
    for bad in [&["-x"][..], &["-c"], &["-command"], &["-disable-telemetry=maybe"], &["--cc", "x"]] {
        assert!(run(bad, &[]).is_err(), "{bad:?}");
    }
}

#[test]
fn the_known_servers_variables_count_after_ours() {
    let known = [
        ("SANDBOX_LOG_DIR", "/logs"),
        ("SANDBOX_MAX_LOG_FILE_BYTES", "1000"),
        ("SANDBOX_MAX_LOG_BYTES_TOTAL", "2000"),
        ("SHELL", "/bin/bash"),
        ("SHELL_ARGS", "-l  -c"),
        ("BL_DISABLE_KEEPALIVE", "t"),
        ("DISABLE_REQUEST_LOGGING", "true"),
    ];
    let c = config(&["serve"], &known);
    assert_eq!(
        (c.log_dir.to_str(), c.retention.file_bytes_max, c.retention.total_bytes_max),
        (Some("/logs"), 1000, 2000)
    );
    assert_eq!((c.shell.to_str(), c.shell_args), (Some("/bin/bash"), vec!["-l".to_owned(), "-c".to_owned()]));
    assert!(c.keep_alive_disabled && !c.request_log);
    let c = config(&["serve", "--log-dir", "/ours", "--max-log-file-bytes", "0"], &known);
    assert_eq!(c.log_dir.to_str(), Some("/ours"));
    assert!(c.retention.file_bytes_max > 1 << 60);
}

#[test]
fn one_interval_shortens_every_heartbeat() {
    let c = config(&["--heartbeat-interval", "200ms", "--stream-dialect", "ndjson"], &[]);
    let beat = Duration::from_millis(200);
    assert_eq!(
        (c.streams.sse_heartbeat, c.streams.ndjson_heartbeat, c.streams.log_heartbeat),
        (beat, beat, beat)
    );
    assert_eq!(c.streams.dialect, StreamDialect::Ndjson);
}

#[test]
fn followers_get_half_of_the_connections_unless_they_are_counted() {
    let bounds = |args: &[&str]| config(args, &[]).bounds;
    let half = bounds(&["--max-connections", "7"]);
    assert_eq!((half.connections_max, half.followers_max), (7, 4));
    let set = bounds(&["--max-followers=3", "--max-connections=100", "--max-processes=5"]);
    assert_eq!((set.connections_max, set.followers_max, set.processes_max), (100, 3, 5));
    for flag in ["--max-processes=0", "--max-followers=0", "--max-connections=0", "--max-connections=-1"] {
        assert!(run(&["serve", flag], &[]).is_err(), "{flag}");
    }
}

#[test]
fn a_token_is_read_and_never_printed() {
    let c = config(&[], &[("BOXD_AUTH_TOKEN", "s3cret")]);
    assert_eq!(c.access.token.as_ref().map(crate::config::Secret::expose), Some("s3cret"));
    assert!(!format!("{c:?}").contains("s3cret"));
    assert!(
        run(&["--auth-token-file", "/nonexistent"], &[]).unwrap_err().to_string().contains("/nonexistent")
    );
}

#[test]
fn a_token_that_no_request_could_carry_is_refused() {
    let dir = std::env::temp_dir().join(format!("boxd-token-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let read = |content: &[u8]| {
        let file = dir.join("token");
        std::fs::write(&file, content).unwrap();
        run(&["--auth-token-file", file.to_str().unwrap()], &[])
    };
    for good in [&b"t0ken~"[..], b"t0ken~\r\nsecond line\n", b" \tt0ken~ \n"] {
        let Ok(Action::Serve(config)) = read(good) else { panic!("{good:?}") };
        assert_eq!(config.access.token.as_ref().map(crate::config::Secret::expose), Some("t0ken~"));
    }
    for bad in
        [&b"\xef\xbb\xbft0ken\n"[..], "tök".as_bytes(), b"\xff\xfet\0", b"to ken", b"to\x07", b"", b"\nx"]
    {
        let text = read(bad).unwrap_err().to_string();
        assert!(text.starts_with("the auth token ") && !text.contains('\n'), "{text:?}");
    }
    assert!(read(b"\xef\xbb\xbft0ken\n").unwrap_err().to_string().contains("byte order mark"));
    std::fs::remove_dir_all(dir).unwrap();
    assert!(run(&[], &[("BOXD_AUTH_TOKEN", "schlüssel")]).is_err());
}

#[test]
fn a_bad_command_line_is_one_clear_line() {
    #[track_caller]
    fn check(args: &[&str], part: &str) {
        let text = run(args, &[]).unwrap_err().to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text:?}");
    }
    check(&["serve", "--bogus"], "--bogus");
    check(&["fly"], "fly");
    check(&["-p", "99999"], "99999");
    check(&["--listen", "nowhere"], "nowhere");
    check(&["--stream-dialect", "xml"], "xml");
    check(&["--finished-age", "1y"], "1y");
    for flag in ["--idle-timeout", "--header-timeout", "--body-timeout", "--heartbeat-interval"] {
        check(&[flag, "0s"], flag);
        check(&[flag, "0s"], "longer than 0");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    assert!(matches!(run(&["--help"], &[]), Ok(Action::Print(text)) if text.contains("serve")));
    assert!(matches!(run(&["--version"], &[]), Ok(Action::Print(text)) if text.starts_with("boxd ")));
    assert!(
        matches!(run(&["serve", "--help"], &[]), Ok(Action::Print(text)) if text.contains("SANDBOX_LOG_DIR"))
    );
}

#[test]
fn the_doctor_takes_the_flags_of_a_daemon() {
    match run(&["doctor", "--log-dir", "/x", "--no-cgroups"], &[]) {
        Ok(Action::Doctor(config)) => {
            assert_eq!((config.log_dir, config.control_groups), ("/x".into(), false));
        }
        other => panic!("{other:?}"),
    }
}
