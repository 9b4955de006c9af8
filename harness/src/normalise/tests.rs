//! The normaliser: marks, layers, and what it refuses to hide.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn normaliser() -> Normaliser {
    Normaliser::new(Rules::embedded(), r#"json = { name = "build", workingDir = "/srv" }"#)
}

fn process(pid: &str, name: &str) -> Value {
    json!({"pid": pid, "name": name, "status": "completed", "command": "true", "reason": "exited", "durationMs": 3})
}

fn common(normaliser: &mut Normaliser, value: &Value) -> String {
    text::json(&normaliser.json(value).common)
}

#[test]
fn equal_values_get_equal_marks() {
    let mut normaliser = normaliser();
    let list = json!([{"pid": "11"}, {"pid": "22"}, {"pid": "11"}]);
    assert_eq!(common(&mut normaliser, &list), r#"[{"pid":"[pid:1]"},{"pid":"[pid:2]"},{"pid":"[pid:1]"}]"#);
    assert_eq!(common(&mut normaliser, &json!({"pid": "22"})), r#"{"pid":"[pid:2]"}"#);
    assert_eq!(common(&mut normaliser.unnumbered(), &json!({"pid": "22"})), r#"{"pid":"[pid]"}"#);
    assert!(normaliser.take_complaints().is_empty());
}

#[test]
fn what_looks_wrong_stays_visible() {
    let mut normaliser = normaliser();
    assert_eq!(common(&mut normaliser, &json!({"pid": "0"})), r#"{"pid":"0"}"#);
    assert_eq!(common(&mut normaliser, &json!({"startedAt": "now"})), r#"{"startedAt":"now"}"#);
    assert_eq!(normaliser.take_complaints().len(), 2);
    assert_eq!(common(&mut normaliser, &json!({"completedAt": ""})), r#"{"completedAt":""}"#);
    assert!(normaliser.take_complaints().is_empty());
}

#[test]
fn what_the_fixture_wrote_is_shown() {
    let mut normaliser = normaliser();
    normaliser.know("hx-1", "name");
    let seen = common(
        &mut normaliser,
        &json!({"name": "build", "workingDir": "/srv", "error": "no hx-1, no hx-12"}),
    );
    assert_eq!(seen, r#"{"error":"no {{name}}, no hx-12","name":"build","workingDir":"/srv"}"#);
    assert_eq!(common(&mut normaliser, &json!({"name": "a hx-1"})), r#"{"name":"a {{name}}"}"#);
    assert_eq!(
        common(&mut normaliser, &json!({"pid": "7", "name": "proc-abcd1234"})),
        r#"{"name":"[auto-name:1]","pid":"[pid:1]"}"#
    );
    assert_eq!(common(&mut normaliser, &json!({"workingDir": "/tmp/x"})), r#"{"workingDir":"[cwd:1]"}"#);
    assert!(normaliser.take_complaints().is_empty());
    common(&mut normaliser, &json!({"pid": "7", "name": "other"}));
    assert_eq!(normaliser.take_complaints().len(), 1);
}

#[test]
fn what_is_boxds_own_stands_apart() {
    let layers = normaliser().json(&json!({"error": "timed out", "process": process("7", "build")}));
    assert_eq!(text::json(&layers.common), r#"{"error":"timed out"}"#);
    let [(place, own)] = &layers.own[..] else { panic!("{layers:?}") };
    assert_eq!(place, "");
    assert!(text::json(own).contains(r#""reason":"exited""#), "{own}");
    let layers = normaliser().json(&json!([process("7", "build")]));
    assert_eq!(layers.own[0].0, "/0");
    assert_eq!(layers.own[0].1, json!({"reason": "exited", "durationMs": "[ms]"}));
    // Elsewhere the same keys are nobody's own.
    assert_eq!(normaliser().json(&json!({"reason": "x"})).common, json!({"reason": "x"}));
}

#[test]
fn lists_without_a_promised_order_are_sorted() {
    let (first, second) = (process("7", "build"), process("9", "proc-abcd1234"));
    let forwards = normaliser().json(&json!([first, second]));
    let backwards = normaliser().json(&json!([second, first]));
    assert_eq!(forwards, backwards);
}

#[test]
fn logs_hold_both_streams_in_any_order() {
    let both = |logs: &str| json!({"logs": logs, "stdout": "a\nc\n", "stderr": "b\n"});
    let mut normaliser = normaliser();
    let shown = common(&mut normaliser, &both("a\nb\nc\n"));
    assert_eq!(shown, r#"{"logs":"[stdout and stderr]","stderr":"b\n","stdout":"a\nc\n"}"#);
    assert!(normaliser.take_complaints().is_empty());
    common(&mut normaliser, &both("a\nc\n"));
    assert_eq!(normaliser.take_complaints().len(), 1);
    normaliser.keep_order(true);
    assert!(common(&mut normaliser, &both("a\nb\nc\n")).contains("a\\nb\\nc"));
}

proptest! {
    #[test]
    fn other_pids_and_names_give_the_same_text(pids in prop::collection::vec(1_u32..1_000_000, 1..6)) {
        let values = |offset: u32| {
            let items = pids.iter().map(|pid| process(&(pid + offset).to_string(), "build")).collect::<Vec<_>>();
            // An object keeps the order, so that the marks are given in it.
            Value::Object(items.into_iter().enumerate().map(|(at, item)| (format!("k{at}"), item)).collect())
        };
        prop_assert_eq!(normaliser().json(&values(0)), normaliser().json(&values(77)));
    }
}
