//! `JUnit` XML, as build servers read it: a suite a run, a test a case.

use std::fmt::Write;

use super::{Record, escaped};
use crate::judge::{Judgement, Verdict};

/// The XML of a run.
pub fn junit(record: &Record) -> String {
    let failing = |case: &&Judgement| case.verdict == Verdict::Fails && !case.is_known;
    let (tests, failures) = (record.cases.len(), record.cases.iter().filter(failing).count());
    let skipped = tests - failures - record.count(Verdict::Holds) - record.count(Verdict::Deviates);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{} ({})\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{:.3}\">\n",
        escaped(&record.name),
        escaped(&record.profile),
        record.seconds
    );
    for case in &record.cases {
        let (group, name) = case.case.rsplit_once('/').unwrap_or(("", &case.case));
        let head = format!(
            "<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">",
            escaped(group),
            escaped(name),
            case.seconds
        );
        let inner = match case.verdict {
            Verdict::Fails if !case.is_known => failure(case),
            Verdict::Skipped | Verdict::Fails => {
                format!("<skipped message=\"{}\"/>", escaped(case.reason.as_deref().unwrap_or_default()))
            }
            Verdict::Holds | Verdict::Deviates => String::new(),
        };
        // A String takes whatever is written.
        let _written: bool = writeln!(out, "{head}{inner}</testcase>").is_ok();
    }
    out + "</testsuite>\n</testsuites>\n"
}

fn failure(case: &Judgement) -> String {
    let required = case.findings.iter().filter(|finding| finding.is_required);
    let text = required.fold(String::new(), |text, finding| {
        text + &format!("step {} [{}]:\n{}\n", finding.step, finding.source, finding.text.trim_end())
    });
    format!("<failure message=\"{}\">{}</failure>", escaped(&case.why), escaped(&text))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::record, *};

    #[test]
    fn a_run_is_a_suite() {
        let xml = junit(&record("one & two"));
        assert!(xml.contains(
            "<testsuite name=\"one &amp; two (blaxel)\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\""
        ));
        assert_eq!(xml.matches("<testcase ").count(), 4);
        assert!(xml.contains("<skipped message=\"needs a daemon of its own\"/>"));
        assert!(xml.contains("step 1 [spec]:\n-&lt; 200\n+&lt; 500 \u{fffd}]]&gt;"));
    }

    #[test]
    fn a_known_failure_is_no_failure() {
        let mut record = record("one");
        record.cases[2].is_known = true;
        record.cases[2].reason = Some("not yet".to_owned());
        let xml = junit(&record);
        assert!(
            xml.contains("failures=\"0\" errors=\"0\" skipped=\"2\"")
                && xml.contains("<skipped message=\"not yet\"/>")
        );
    }
}
