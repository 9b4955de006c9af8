//! Files of variables as people write them: `.env`. Pure.
//!
//! ```text
//! # a comment
//! export NAME=value          # export is optional; a comment may follow a blank
//! QUOTED="two\nlines ${NAME}"
//! LITERAL='as it is: $NAME'
//! ```
//! `NAME: value` is understood as well. A quoted value may go over several lines. In values without quotes and in double ones
//! `$NAME` and `${NAME}` are filled in from what stands before in the file, and from `outside`. A line that is none of this is
//! passed over, and told, and so is a value that becomes longer than a variable can be.

use std::collections::HashMap;

/// Bytes of a value: the kernel takes no longer variable.
const VALUE_BYTES_MAX: usize = 128 * 1024;

/// Bytes of all variables, each with what the kernel counts for it. What is filled in makes them longer than the file, at worst without
/// end; and nothing can be started with more than a quarter of the stack's bound, usually 2 MiB.
const VARIABLES_BYTES_MAX: usize = 1024 * 1024;

/// A pointer, `=` and a NUL.
const OVERHEAD_BYTES: usize = 10;

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// In the order of the file; a name may come twice.
    pub(super) variables: Vec<(String, String)>,
    /// The numbers of the lines that make no sense, from 1.
    pub(super) bad_lines: Vec<usize>,
}

/// Reads a file. `outside` knows the variables that are there already.
pub(super) fn parse(text: &str, outside: &dyn Fn(&str) -> Option<String>) -> Parsed {
    let mut parsed = Parsed::default();
    let mut known: HashMap<String, String> = HashMap::new();
    let mut bytes = 0;
    // A byte order mark is no part of the first name.
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut number = 1;
    while !rest.is_empty() {
        let line_end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(line_end);
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            (rest, number) = (behind, number + 1);
            continue;
        }
        let taken = assignment(rest, &|name| known.get(name).cloned().or_else(|| outside(name)));
        let size = taken.as_ref().map_or(0, |(name, value, _)| name.len() + value.len() + OVERHEAD_BYTES);
        let next = if let Some((name, value, behind)) = taken.filter(|_| bytes + size <= VARIABLES_BYTES_MAX)
        {
            bytes += size;
            known.insert(name.clone(), value.clone());
            parsed.variables.push((name, value));
            behind
        } else {
            parsed.bad_lines.push(number);
            behind
        };
        number += rest[..rest.len() - next.len()].matches('\n').count();
        rest = next;
    }
    parsed
}

/// Reads the assignment at the beginning of `text`: the name, the value, and what comes behind its line.
fn assignment<'a>(
    text: &'a str,
    known: &dyn Fn(&str) -> Option<String>,
) -> Option<(String, String, &'a str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let text = exported.unwrap_or(text).trim_start_matches([' ', '\t']);
    let name_end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))?;
    let (name, rest) = text.split_at(name_end);
    let rest = rest.trim_start_matches([' ', '\t']).strip_prefix(['=', ':'])?;
    if name.is_empty() {
        return None;
    }
    let value = rest.trim_start_matches([' ', '\t']);
    let (value, behind) = if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        quoted(&value[1..], quote, known)?
    } else {
        let end = value.find('\n').unwrap_or(value.len());
        (expand(without_comment(&value[..end]), known)?, &value[end..])
    };
    (!value.contains('\0')).then(|| (name.to_owned(), value, behind.strip_prefix('\n').unwrap_or(behind)))
}

/// A value in quotes, which `text` begins behind, and what follows its line; only a comment may stand behind it.
fn quoted<'a>(
    text: &'a str,
    quote: char,
    known: &dyn Fn(&str) -> Option<String>,
) -> Option<(String, &'a str)> {
    let mut is_escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let ends = *c == quote && !is_escaped;
        is_escaped = quote == '"' && *c == '\\' && !is_escaped;
        ends
    });
    let (inside, behind) = text.split_at(end?.0);
    let behind = &behind[1..];
    let line_end = behind.find('\n').unwrap_or(behind.len());
    let tail = behind[..line_end].trim();
    if !tail.is_empty() && !tail.starts_with('#') {
        return None;
    }
    let value = if quote == '"' { expand(inside, known)? } else { inside.to_owned() };
    Some((value, &behind[line_end..]))
}

/// A value without quotes ends where a blank and a `#` follow.
fn without_comment(value: &str) -> &str {
    let comment =
        value.char_indices().find(|(at, c)| *c == '#' && (*at == 0 || value[..*at].ends_with([' ', '\t'])));
    comment.map_or(value, |(at, _)| &value[..at]).trim()
}

/// Undoes escapes and fills in variables; one that nobody knows is nothing. `None`: it becomes too long.
fn expand(value: &str, known: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '$']) {
        out.push_str(&rest[..at]);
        if out.len() > VALUE_BYTES_MAX {
            return None;
        }
        let behind = &rest[at + 1..];
        if rest[at..].starts_with('\\') {
            let Some(c) = behind.chars().next() else {
                out.push('\\');
                return Some(out);
            };
            match c {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                '\\' | '"' | '$' => out.push(c),
                // As it stands: most of these are paths and patterns.
                c => out.extend(['\\', c]),
            }
            rest = &behind[c.len_utf8()..];
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, behind) = match behind.strip_prefix('{') {
            Some(braced) => {
                // Not looked for beyond a name: a long line of beginnings would be read again for each.
                let (name, end) = braced.split_at(braced.find(|c| !is_name(c)).unwrap_or(braced.len()));
                end.strip_prefix('}').map_or(("", behind), |end| (name, end))
            }
            None => behind.split_at(behind.find(|c| !is_name(c)).unwrap_or(behind.len())),
        };
        match name {
            "" => out.push('$'),
            name => out.push_str(&known(name).unwrap_or_default()),
        }
        rest = behind;
    }
    out.push_str(rest);
    (out.len() <= VALUE_BYTES_MAX).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, &str)], bad_lines: &[usize]) {
        let parsed = parse(text, &|name| (name == "OUT").then(|| "side".to_owned()));
        let got: Vec<(&str, &str)> = parsed.variables.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!((got.as_slice(), parsed.bad_lines.as_slice()), (expect, bad_lines), "{text:?}");
    }

    #[test]
    fn beginnings_of_names_are_read_once() {
        // Looking for the end of each took minutes.
        let text = format!("A={}\nB=1", "${".repeat(500_000));
        let began = std::time::Instant::now();
        check(&text, &[("B", "1")], &[1]);
        assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
        check("A=${B\nC=x}y${OUT}", &[("A", "${B"), ("C", "x}yside")], &[]);
        check("A=${O-T}${OUT", &[("A", "${O-T}${OUT")], &[]);
    }

    #[test]
    fn variables_as_people_write_them() {
        check(
            "A=1\nB = two words \nexport C=3\n\n# D=4\nE: five",
            &[("A", "1"), ("B", "two words"), ("C", "3"), ("E", "five")],
            &[],
        );
        check("A=1 # one\nB=a#b\nC=#nothing\nD=", &[("A", "1"), ("B", "a#b"), ("C", ""), ("D", "")], &[]);
        check(
            "A='$B # \\n' # c\nB=\"x\\ny \\\"z\\\" # no\"\n",
            &[("A", "$B # \\n"), ("B", "x\ny \"z\" # no")],
            &[],
        );
        check("A=\"one\ntwo\"\nB=3\nbad\n", &[("A", "one\ntwo"), ("B", "3")], &[4]);
        check(
            "A=1\nB=$A/${A}/$OUT/$NOBODY/\\$A/$\nC=\"${A}b\"",
            &[("A", "1"), ("B", "1/1/side//$A/$"), ("C", "1b")],
            &[],
        );
        check("A=1\nA=2\r\nexported=1", &[("A", "1"), ("A", "2"), ("exported", "1")], &[]);
        check("\u{feff}A=C:\\dir\\x\nB=ä", &[("A", "C:\\dir\\x"), ("B", "ä")], &[]);
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        check(
            "=1\nA B=2\n$X=1\nok=1\nno quote=\"\nQ=\"open\nZ=1",
            &[("ok", "1"), ("Z", "1")],
            &[1, 2, 3, 5, 6],
        );
        check("A=\"x\" y\nB=\0\nC=1", &[("C", "1")], &[1, 2]);
    }

    #[test]
    fn what_grows_without_end_is_cut() {
        let parsed = parse(&format!("A=xx\n{}", "A=$A$A\n".repeat(100)), &|_| None);
        assert_eq!(parsed.variables.len(), 17);
        assert_eq!(parsed.bad_lines.len(), 84);
        let many = parse(&format!("A={}\n{}", "x".repeat(100_000), "B=$A\n".repeat(10_000)), &|_| None);
        let bytes: usize = many.variables.iter().map(|(_, value)| value.len()).sum();
        assert!(bytes <= VARIABLES_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "([A-B]?[=:\"'\\\\$ {}#\n]|export |[a-zä\0\r\t]){0,40}") {
            let parsed = parse(&text, &|_| None);
            prop_assert!(parsed.variables.len() + parsed.bad_lines.len() <= text.lines().count());
            prop_assert!(parsed.variables.iter().all(|(_, value)| !value.contains('\0')));
        }
    }
}
