//! `Attendance`: the audit lines of who looks at a terminal: that they came, the commands that they typed, that they left.
//!
//! A command is a line that is typed while the terminal's shell itself reads. What goes to a program is none, nor is what is typed
//! where nothing is shown of it (a password), nor what is sent ahead behind a command, which is for whatever that runs.

use super::audit::Subject;
use crate::terminal::Session;

/// Bytes of a typed line that are kept.
const LINE_BYTES_MAX: usize = 1024;

/// Ends what is typed so far: Ctrl-C, and Ctrl-U for most shells.
const GIVEN_UP: [char; 2] = ['\u{3}', '\u{15}'];

/// What a backspace sends.
const ERASES: [char; 2] = ['\u{8}', '\u{7f}'];

/// See the module. It says that they left when it is dropped.
#[derive(Debug)]
pub(crate) struct Attendance {
    subject: Subject,
    session: String,
    line: String,
}

impl Attendance {
    /// Somebody has come, if it is known who.
    pub(crate) fn begin(subject: Option<Subject>, session: &str) -> Option<Self> {
        let subject = subject?;
        subject.did("terminal_connect", &format!("session={session:?}"));
        Some(Self { subject, session: session.to_owned(), line: String::new() })
    }

    /// They type. To be called before the terminal is given the text.
    pub(crate) fn types(&mut self, text: &str, session: &Session) {
        if !session.reads_commands() {
            self.line.clear();
        } else if let Some(typed) = type_on(&mut self.line, text) {
            let what = format!("session={:?} {typed}", self.session);
            self.subject.did("terminal_command", &what);
        }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.subject.did("terminal_disconnect", &format!("session={:?}", self.session));
    }
}

/// Goes on with a line. When it is at its end, gives it in the words of an audit line, and how much came behind it.
fn type_on(line: &mut String, text: &str) -> Option<String> {
    for (at, c) in text.char_indices() {
        match c {
            '\r' | '\n' => {
                let typed = std::mem::take(line);
                let behind = text.len() - at - 1;
                let more = if behind > 0 { format!(" more-bytes={behind}") } else { String::new() };
                return (!typed.trim().is_empty() || behind > 0).then(|| format!("command={typed:?}{more}"));
            }
            c if GIVEN_UP.contains(&c) => line.clear(),
            c if ERASES.contains(&c) => {
                line.pop();
            }
            c if line.len() + c.len_utf8() <= LINE_BYTES_MAX => line.push(c),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_was_typed() {
        #[track_caller]
        fn check(pieces: &[&str], expect: &[&str]) {
            let mut line = String::new();
            let told: Vec<String> = pieces.iter().filter_map(|text| type_on(&mut line, text)).collect();
            assert_eq!(told, expect, "{pieces:?}");
        }
        check(&["l", "s", " -l", "\r"], &[r#"command="ls -l""#]);
        check(&["ls\n"], &[r#"command="ls""#]);
        check(&["\r", "  \n"], &[]);
        check(&["lsx\u{7f}\u{7f}\u{7f}\u{7f}id\r"], &[r#"command="id""#]);
        check(&["rm x", "\u{3}", "ls\r"], &[r#"command="ls""#]);
        check(&["rm x\u{15}ls\r"], &[r#"command="ls""#]);
        check(&["ca\tx\u{1b}[Dy\n"], &[r#"command="ca\tx\u{1b}[Dy""#]);
        check(&["sudo id\npassword\n", "w\r"], &[r#"command="sudo id" more-bytes=9"#, r#"command="w""#]);
        check(&["ä\"\r\n"], &[r#"command="ä\"" more-bytes=1"#]);
        let long = "ä".repeat(1000);
        check(&[&long, "\n"], &[&format!("command={:?}", "ä".repeat(512))]);
    }
}
