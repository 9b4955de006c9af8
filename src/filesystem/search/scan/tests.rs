//! A scan in small windows finds what a split into lines finds.

use proptest::prelude::*;

use super::*;

/// All hits of a text, in windows of so many bytes and turns of so many hits.
fn scan(text: &[u8], query: &str, (window, turn, context_lines): (usize, usize, usize)) -> Vec<Hit> {
    let needle = Needle::new(query, false).unwrap();
    let mut eye = Eye::with_windows(window);
    let (mut scan, mut hits) = (Scan::new(0), Vec::new());
    loop {
        let wish = Wish { needle: &needle, context_lines, hits_max: turn };
        if scan.window(&text, &mut eye, wish, &mut hits).unwrap() {
            return hits;
        }
    }
}

fn model(text: &str, query: &str, n: usize) -> Vec<Hit> {
    let lines: Vec<&str> = text.split('\n').collect();
    let hit = |(index, line): (usize, &&str)| {
        let at = line.to_lowercase().find(&query.to_lowercase())?;
        let around = lines[index.saturating_sub(n)..lines.len().min(index + n + 1)].join("\n");
        Some(Hit {
            line: index as u64 + 1,
            column: at as u64 + 1,
            offset: lines[..index].iter().map(|line| line.len() as u64 + 1).sum(),
            text: line.as_bytes().to_vec(),
            text_column: None,
            context: (n > 0).then(|| around.into_bytes()),
        })
    };
    lines.iter().enumerate().filter_map(hit).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn windows_change_nothing(
        text in "[abB\n]{0,120}",
        query in "[ab]{1,3}",
        window in 24usize..80,
        turn in 1usize..4,
        n in 0usize..4,
    ) {
        prop_assert_eq!(scan(text.as_bytes(), &query, (window, turn, n)), model(&text, &query, n));
    }

    #[test]
    fn long_lines_are_like_short_ones(
        text in "[ab]{0,200}\n?[ab]{0,100}c[ab]{0,60}\n[ab]{0,90}",
        query in "(c|a{1,4}b|bab|ca)",
        window in 36usize..50,
    ) {
        prop_assert_eq!(scan(text.as_bytes(), &query, (window, 9, 1)), model(&text, &query, 1));
    }
}

#[test]
fn a_giant_line_is_shown_in_part() {
    let line = format!("{}NEEDLE{}", "é".repeat(1 << 20), "x".repeat(3 << 20));
    let text = format!("before\n{line}\nafter\nneedle");
    let hits = scan(text.as_bytes(), "needle", (1 << 20, 100, 1));
    assert_eq!(hits.iter().map(|hit| hit.line).collect::<Vec<_>>(), [2, 4]);
    let column = (2 << 20) + 1;
    assert_eq!((hits[0].column, hits[1].column), (column, 1));
    let shown = std::str::from_utf8(&hits[0].text).unwrap();
    assert!(shown.len() <= SHOWN_BYTES_MAX && shown.contains("NEEDLE"));
    let from = usize::try_from(hits[0].text_column.unwrap()).unwrap() - 1;
    assert_eq!(&line[from..from + shown.len()], shown);
    let context = String::from_utf8(hits[0].context.clone().unwrap()).unwrap();
    assert_eq!(context, format!("before\n{shown}\nafter"));
    // A line that is too long to be shown but not to be read.
    let text = format!("{}NEEDLE{}\n", "é".repeat(60_000), "x".repeat(70_000));
    let hits = scan(text.as_bytes(), "needle", (1 << 20, 100, 0));
    let from = usize::try_from(hits[0].text_column.unwrap()).unwrap() - 1;
    assert_eq!(text.as_bytes()[from..from + hits[0].text.len()], hits[0].text);
    assert_eq!(hits[0].column, 120_001);
}

#[test]
fn a_file_of_the_kernel_is_not_read_to_its_end() {
    let needle = Needle::new("needle", true).unwrap();
    for (text, expect) in [("needle\n".repeat(10), 7), ("needle".repeat(20), 1)] {
        let (mut eye, mut hits) = (Eye::with_windows(24), Vec::new());
        let wish = Wish { needle: &needle, context_lines: 9, hits_max: 100 };
        let mut scan = Scan { end: 48, ..Scan::new(0) };
        while !scan.window(&text.as_bytes(), &mut eye, wish, &mut hits).unwrap() {}
        assert_eq!(hits.len(), expect);
        assert!(scan.passed() <= 49);
    }
}
