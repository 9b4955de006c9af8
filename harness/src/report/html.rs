//! The page: a grid of cases by server, and behind each cell what differs and what went over the wire.
//!
//! One file without a script that is needed, so it can be read from a disk, a mail or a build server's artefacts.

use std::{collections::BTreeMap, fmt::Write};

use super::{Record, escaped};
use crate::{
    judge::{Finding, Judgement, Verdict},
    wire_log::{Piece, Way},
};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The page about some runs, side by side in their order.
pub fn html(records: &[Record]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Sandbox API conformance</title>\n<style>\n{STYLE}</style></head><body>\n<h1>Sandbox API conformance</h1>\n"
    );
    add(&mut out, &verdicts(records));
    add(&mut out, &controls());
    add(&mut out, &grid(records));
    add(
        &mut out,
        "<h2 id=\"details\">Details</h2>\n<p class=\"hint\">A cell of the table leads to its case here.</p>\n",
    );
    for (column, record) in records.iter().enumerate() {
        for (row, case) in record.cases.iter().enumerate() {
            add(&mut out, &details(record, case, &anchor(column, row)));
        }
    }
    add(&mut out, &format!("<script>\n{SCRIPT}</script>\n</body></html>\n"));
    out
}

fn add(out: &mut String, text: &str) {
    out.push_str(text);
}

fn anchor(column: usize, row: usize) -> String {
    format!("case-{column}-{row}")
}

/// The verdict of each run, on top.
fn verdicts(records: &[Record]) -> String {
    let mut out = "<div class=\"verdicts\">\n".to_owned();
    for record in records {
        let (class, word) =
            if record.is_compliant { ("holds", "compliant") } else { ("fails", "not compliant") };
        let counts = [Verdict::Holds, Verdict::Deviates, Verdict::Fails, Verdict::Skipped].map(|verdict| {
            let known = record.cases.iter().filter(|case| case.is_known && case.verdict == verdict).count();
            let known = if known > 0 { format!(" ({known} known)") } else { String::new() };
            format!("<span class=\"{0}\">{1} {0}{known}</span>", word_of(verdict), record.count(verdict))
        });
        add(
            &mut out,
            &format!(
                "<div class=\"verdict {class}\"><strong>{}</strong> is <em>{word}</em> with the profile \
                 <code>{}</code><br><span class=\"counts\">{}</span><br><small>{} · {} · {:.1} s</small></div>\n",
                escaped(&record.name),
                escaped(&record.profile),
                counts.join(" "),
                escaped(&record.target),
                escaped(&record.started_at),
                record.seconds
            ),
        );
    }
    out + "</div>\n"
}

/// What the script uses; without it everything is shown.
fn controls() -> String {
    let mut out = "<form class=\"controls\" hidden><input type=\"search\" placeholder=\"part of a name\" aria-label=\"Filter by name\">\n"
        .to_owned();
    for verdict in [Verdict::Fails, Verdict::Deviates, Verdict::Holds, Verdict::Skipped] {
        let word = word_of(verdict);
        add(&mut out, &format!("<label><input type=\"checkbox\" name=\"{word}\" checked> {word}</label>\n"));
    }
    out + "</form>\n"
}

fn grid(records: &[Record]) -> String {
    // Where a case stands in each run: a run may have had only some of them.
    let mut rows: BTreeMap<&str, (&str, Vec<Option<usize>>)> = BTreeMap::new();
    for (column, record) in records.iter().enumerate() {
        for (row, case) in record.cases.iter().enumerate() {
            let entry = rows.entry(&case.case).or_insert_with(|| (&case.why, vec![None; records.len()]));
            entry.1[column] = Some(row);
        }
    }
    let mut out = "<table class=\"grid\"><thead><tr><th>case</th>".to_owned();
    for record in records {
        add(&mut out, &format!("<th>{}</th>", escaped(&record.name)));
    }
    add(&mut out, "</tr></thead><tbody>\n");
    for (name, (why, places)) in rows {
        let verdicts = places
            .iter()
            .enumerate()
            .filter_map(|(column, row)| Some(records[column].cases[(*row)?].verdict));
        let classes: Vec<_> = verdicts.map(word_of).collect();
        add(
            &mut out,
            &format!(
                "<tr data-verdicts=\"{}\"><th scope=\"row\"><code>{}</code><small>{}</small></th>",
                classes.join(" "),
                escaped(name),
                escaped(why)
            ),
        );
        for (column, row) in places.iter().enumerate() {
            let cell = row.map_or_else(
                || "<td></td>".to_owned(),
                |row| cell(&records[column].cases[row], &anchor(column, row)),
            );
            add(&mut out, &cell);
        }
        add(&mut out, "</tr>\n");
    }
    out + "</tbody></table>\n"
}

fn cell(case: &Judgement, anchor: &str) -> String {
    let word = word_of(case.verdict);
    let known = if case.is_known { " (known)" } else { "" };
    format!("<td class=\"{word}\"><a href=\"#{anchor}\">{word}{known}</a></td>")
}

fn details(record: &Record, case: &Judgement, anchor: &str) -> String {
    let word = word_of(case.verdict);
    let sources: Vec<_> = case.sources.iter().map(ToString::to_string).collect();
    let mut out = format!(
        "<details id=\"{anchor}\" class=\"case {word}\"><summary><span class=\"{word}\">{word}</span> <code>{}</code> \
         <small>{} · {} · {:.0} ms</small></summary>\n<p>{}</p>\n",
        escaped(&case.case),
        escaped(&record.name),
        sources.join(", "),
        case.seconds * 1000.0,
        escaped(&case.why)
    );
    if let Some(reason) = &case.reason {
        add(&mut out, &format!("<p class=\"reason\">{}</p>\n", escaped(reason)));
    }
    for finding in &case.findings {
        add(&mut out, &found(finding));
    }
    if !case.found.is_empty() {
        add(&mut out, &folded("the transcript", &format!("<pre>{}</pre>", escaped(&case.found))));
    }
    if !case.wire.is_empty() {
        add(&mut out, &folded("the wire", &wire(&case.wire)));
    }
    out + "</details>\n"
}

fn found(finding: &Finding) -> String {
    let asked = if finding.is_required { "required" } else { "not required" };
    let lines = finding.text.lines().fold(String::new(), |text, line| {
        let class = match line.as_bytes().first() {
            Some(b'-') => "minus",
            Some(b'+') => "plus",
            Some(b'@') => "at",
            _ => "",
        };
        text + &format!("<span class=\"{class}\">{}</span>\n", escaped(line))
    });
    format!(
        "<h4>step {} <span class=\"source\">{}</span> {asked}</h4>\n<pre class=\"diff\">{lines}</pre>\n",
        finding.step, finding.source
    )
}

fn folded(title: &str, inner: &str) -> String {
    format!("<details><summary>{title}</summary>{inner}</details>\n")
}

fn wire(pieces: &[Piece]) -> String {
    let mut out = "<div class=\"wire\">\n".to_owned();
    for piece in pieces {
        let (class, arrow) = match piece.way {
            Way::Sent => ("sent", "→"),
            Way::Received => ("received", "←"),
            Way::Ended => ("ended", "× closed by the server"),
        };
        let left = if piece.text.len() < piece.bytes {
            format!(" <small>(the beginning of {} bytes)</small>", piece.bytes)
        } else {
            String::new()
        };
        // A String takes whatever is written.
        let _written: bool = writeln!(
            out,
            "<div class=\"{class}\"><span class=\"at\">{} ms · {} {arrow}{left}</span><pre>{}</pre></div>",
            piece.ms,
            piece.connection,
            escaped(&piece.text)
        )
        .is_ok();
    }
    out + "</div>\n"
}

fn word_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Deviates => "deviates",
        Verdict::Fails => "fails",
        Verdict::Skipped => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::record, *};

    #[test]
    fn runs_stand_side_by_side_and_each_cell_leads_to_its_case() {
        let mut other = record("two");
        other.cases.remove(0);
        let page = html(&[record("one"), other]);
        assert_eq!(page.matches("<tr data-verdicts").count(), 4);
        assert!(page.contains("<td></td>"), "the second run has no process/a");
        for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
        }
        assert!(page.contains("Nobody is to be &lt;surprised&gt; &amp; &quot;hurt&quot;."));
        assert!(page.contains("GET &lt;a&gt;") && !page.contains("GET <a>"));
        assert!(
            !page.contains("http-equiv") && !page.contains("src=") && !page.contains("link rel"),
            "nothing is loaded"
        );
    }
}
