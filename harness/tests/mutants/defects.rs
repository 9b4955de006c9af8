//! The defects: what each breaks, and the case that must catch it.

use serde_json::Value;

use super::proxy::{Answer, Asked};

/// One way of being wrong.
pub(crate) struct Defect {
    /// In a few words.
    pub(crate) what: &'static str,
    /// The case that catches it.
    pub(crate) caught_by: &'static str,
    /// Which requests it meets.
    pub(crate) meets: fn(&Asked) -> bool,
    /// What it does to a request.
    pub(crate) request: fn(&mut Asked),
    /// What it does to the answer.
    pub(crate) answer: fn(&Asked, &mut Answer),
}

const fn breaks(
    what: &'static str,
    caught_by: &'static str,
    meets: fn(&Asked) -> bool,
    answer: fn(&Asked, &mut Answer),
) -> Defect {
    Defect { what, caught_by, meets, request: |_| {}, answer }
}

fn starts(asked: &Asked) -> bool {
    asked.method == "POST" && asked.target == "/process"
}

fn starts_plainly(asked: &Asked) -> bool {
    starts(asked) && asked.header("accept").is_empty()
}

/// A stream that nobody talks to meanwhile.
fn starts_stream(asked: &Asked) -> bool {
    starts(asked) && asked.wants_sse() && !asked.body.contains("\"stdin\":true")
}

fn starts_ndjson(asked: &Asked) -> bool {
    starts(asked) && !asked.header("accept").is_empty() && !asked.wants_sse()
}

fn gets(asked: &Asked, end: &str) -> bool {
    asked.method == "GET" && asked.target.starts_with("/process/") && path(asked).ends_with(end)
}

fn gets_process(asked: &Asked) -> bool {
    asked.method == "GET" && path(asked).strip_prefix("/process/").is_some_and(|id| !id.contains('/'))
}

fn follows(asked: &Asked, accept: &str) -> bool {
    gets(asked, "/logs/stream") && asked.header("accept") == accept
}

fn path(asked: &Asked) -> &str {
    asked.target.split('?').next().unwrap_or_default()
}

/// Changes a JSON object; the order of its keys is lost only where that is the defect.
fn edit(answer: &mut Answer, key: &str, change: impl FnOnce(&Value) -> Option<Value>) {
    let Ok(object) = serde_json::from_str::<Value>(&answer.body) else { return };
    let Some(old) = object.get(key) else { return };
    let Some(new) = change(old) else { return };
    let (old, new) = (format!("\"{key}\":{old}"), format!("\"{key}\":{new}"));
    // A text with escapes of its own is left; what is then not broken is not caught, and the test says so.
    answer.body = answer.body.replacen(&old, &new, 1);
}

/// The events of a stream, each with its empty line.
fn events(body: &str) -> Vec<String> {
    body.split_inclusive("\n\n").map(str::to_owned).collect()
}

fn is_event(event: &str, name: &str) -> bool {
    event.lines().any(|line| line.strip_prefix("event: ") == Some(name))
}

pub(crate) static DEFECTS: [Defect; 36] = [
    breaks("exit codes are always 0", "process/exec_waited_fails", starts_plainly, |_, answer| {
        edit(answer, "exitCode", |code| (code.as_i64() > Some(0)).then(|| 0.into()));
    }),
    breaks("a signal is 128 and more", "process/exec_killed_by_itself", starts_plainly, |_, answer| {
        if answer.status == 200 {
            edit(answer, "exitCode", |code| (code.as_i64() < Some(0)).then(|| 137.into()));
        }
    }),
    breaks(
        "a pid is a number",
        "process/wait_finished",
        |asked| gets(asked, "/wait"),
        |_, answer| {
            edit(answer, "pid", |pid| Some(pid.as_str()?.parse::<u64>().ok()?.into()));
        },
    ),
    breaks(
        "local time is called GMT",
        "process/wait_finished",
        |asked| gets(asked, "/wait"),
        |_, answer| {
            edit(answer, "startedAt", |date| {
                let date = date.as_str()?;
                let hour: u32 = date.get(17..19)?.parse().ok()?;
                Some(date.replacen(&format!(" {hour:02}:"), &format!(" {:02}:", (hour + 5) % 24), 1).into())
            });
        },
    ),
    breaks(
        "stdout and stderr are swapped",
        "process/exec_no_final_newline",
        |asked| gets(asked, "/logs"),
        |_, answer| {
            answer.body = answer
                .body
                .replace("\"stdout\"", "\"x\"")
                .replace("\"stderr\"", "\"stdout\"")
                .replace("\"x\"", "\"stderr\"");
        },
    ),
    breaks(
        "logs hold stdout alone",
        "process/logs_hold_both",
        |asked| gets(asked, "/logs"),
        |_, answer| {
            let stdout =
                serde_json::from_str::<Value>(&answer.body).ok().and_then(|logs| logs.get("stdout").cloned());
            edit(answer, "logs", |_| stdout);
        },
    ),
    breaks(
        "a last line without newline is lost",
        "process/exec_no_final_newline",
        |asked| gets(asked, "/logs"),
        |_, answer| {
            edit(answer, "stdout", |text| {
                let text = text.as_str()?;
                Some(text[..text.rfind('\n').map_or(0, |at| at + 1)].into())
            });
        },
    ),
    breaks(
        "a long body is cut",
        "process/logs_hold_both",
        |asked| gets(asked, "/logs"),
        |_, answer| {
            if answer.body.len() > 4096 {
                answer.missing = 100;
                answer.body.truncate(answer.body.len() - 100);
            }
        },
    ),
    breaks("angle brackets are not escaped", "process/exec_escapes", starts_plainly, |_, answer| {
        answer.body = answer.body.replace("\\u003c", "<");
    }),
    breaks("keys are sorted", "process/exec_key_order", gets_process, |_, answer| {
        if let Ok(value) = serde_json::from_str::<Value>(&answer.body) {
            answer.body = value.to_string();
        }
    }),
    breaks("a process has no name of its own", "process/exec_auto_name", starts_plainly, |asked, answer| {
        if !asked.body.contains("\"name\"") && answer.body.contains("\"stdout\":\"\"") {
            edit(answer, "name", |_| Some("".into()));
        }
    }),
    breaks(
        "a running name is taken again",
        "process/exec_same_name_running",
        |asked| starts_plainly(asked) || starts_stream(asked),
        |_, answer| {
            if answer.body.contains("already exists") {
                answer.status = 200;
            }
        },
    ),
    breaks("a body that is no JSON is a 500", "process/exec_bad_json", starts_plainly, |_, answer| {
        if answer.body.contains("invalid request body") {
            answer.status = 500;
        }
    }),
    breaks("an error is no JSON", "process/exec_working_dir_missing", starts_plainly, |_, answer| {
        if answer.status == 422 && !answer.body.contains("timed out") {
            answer.set("content-type", "text/html");
        }
    }),
    breaks("an error comes as a stream", "stream/exec_sse_errors_before", starts_stream, |_, answer| {
        if answer.status == 422 {
            answer.status = 200;
            answer.set("content-type", "text/event-stream");
            answer.body = format!("event: error\ndata: {}\n\n", answer.body.trim_end());
        }
    }),
    breaks("blanks are trimmed", "process/exec_env", starts_plainly, |_, answer| {
        edit(answer, "stdout", |text| Some(text.as_str()?.replace("  ", " ").into()));
    }),
    breaks(
        "a finished process runs for who waits",
        "process/wait_finished",
        |asked| gets(asked, "/wait"),
        |_, answer| {
            edit(answer, "status", |_| Some("running".into()));
        },
    ),
    breaks(
        "a wait knows no time of completion",
        "process/wait_finished",
        |asked| gets(asked, "/wait"),
        |_, answer| {
            edit(answer, "completedAt", |_| Some(Value::Null));
        },
    ),
    breaks(
        "a bad timeout is none",
        "process/wait_bad_timeout",
        |asked| gets(asked, "/wait"),
        |_, answer| {
            if answer.status == 400 {
                answer.status = 200;
            }
        },
    ),
    breaks(
        "logs of nobody are a 200",
        "process/stop_unknown",
        |asked| gets(asked, "/logs"),
        |_, answer| {
            if answer.status == 404 {
                answer.status = 200;
            }
        },
    ),
    breaks(
        "nobody's wait is an unknown route",
        "process/stop_unknown",
        |asked| gets(asked, "/wait"),
        |_, answer| {
            if answer.status == 404 {
                answer.set("content-type", "text/plain");
                "404 page not found".clone_into(&mut answer.body);
            }
        },
    ),
    breaks(
        "what is over can be stopped",
        "process/stop_finished",
        |asked| asked.method == "DELETE",
        |_, answer| {
            if answer.body.contains("is not running") {
                answer.status = 200;
            }
        },
    ),
    breaks(
        "a wrong method is a 405",
        "process/route_unknown",
        |asked| asked.method == "PUT" && asked.target == "/process",
        |_, answer| {
            answer.status = 405;
        },
    ),
    breaks(
        "HEAD is looked at",
        "process/head_and_options",
        |asked| asked.method == "HEAD" && asked.target == "/process/nobody",
        |_, answer| {
            answer.status = 404;
        },
    ),
    breaks(
        "answers may be cached",
        "http/error_headers",
        |asked| path(asked) == "/no/such/route" && asked.method == "GET",
        |_, answer| {
            answer.remove("cache-control");
        },
    ),
    breaks(
        "only GET is welcome",
        "system/welcome_any_method",
        |asked| asked.method == "PUT" && asked.target == "/",
        |_, answer| {
            answer.status = 404;
        },
    ),
    breaks("a timeout is a 408", "process/exec_timeout_waited", starts_plainly, |_, answer| {
        if answer.body.contains("timed out") {
            answer.status = 408;
        }
    }),
    breaks("a proxy may hold events back", "stream/exec_sse_headers", starts_stream, |_, answer| {
        answer.remove("x-accel-buffering");
    }),
    breaks("the terminal event is missing", "stream/exec_sse_final_event", starts_stream, |asked, answer| {
        if asked.body.contains("exit 3") {
            answer.body =
                events(&answer.body).into_iter().filter(|event| !is_event(event, "result")).collect();
        }
    }),
    breaks(
        "the terminal event comes twice",
        "stream/logs_sse_finished",
        |asked| follows(asked, "text/event-stream"),
        |_, answer| {
            let events = events(&answer.body);
            if events.iter().any(|event| is_event(event, "stdout"))
                && let Some(last) = events.last()
            {
                answer.body.push_str(last);
            }
        },
    ),
    breaks(
        "a heartbeat is an event of its own",
        "stream/exec_sse_in_order",
        starts_stream,
        |asked, answer| {
            if asked.body.contains("sleep 0.4") {
                answer.body = answer.body.replacen("\n\n", "\n\n: hb\n\n", 1);
            }
        },
    ),
    breaks("stderr waits for stdout", "stream/exec_sse_in_order", starts_stream, |asked, answer| {
        if asked.body.contains("sleep 0.4") {
            let (late, soon): (Vec<_>, Vec<_>) = events(&answer.body)
                .into_iter()
                .partition(|event| is_event(event, "stderr") || is_event(event, "result"));
            answer.body = soon.into_iter().chain(late).collect();
        }
    }),
    breaks(
        "the head waits for the end",
        "stream/exec_sse_live",
        |asked| starts(asked) && asked.wants_sse() && asked.body.contains("\"stdin\":true"),
        |_, _| {},
    ),
    breaks("characters are cut", "stream/exec_ndjson_utf8_split", starts_ndjson, |_, answer| {
        answer.body = answer.body.replacen('é', "\u{fffd}\u{fffd}", 1);
    }),
    breaks(
        "a replay has a line twice",
        "stream/logs_text",
        |asked| follows(asked, ""),
        |_, answer| {
            if answer.status == 200
                && let Some(first) = answer.body.split_inclusive('\n').next().map(str::to_owned)
            {
                answer.body.insert_str(0, &first);
            }
        },
    ),
    Defect {
        what: "a resumed stream begins again",
        caught_by: "stream/resume_after_the_end",
        meets: |asked| !asked.header("last-event-id").is_empty(),
        request: |asked| asked.headers.retain(|(name, _)| name != "last-event-id"),
        answer: |_, _| {},
    },
];
