//! Files of a folder, ranked by a model.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Instant;

use super::Codegen;
use crate::error::{Error, Result};
use crate::filesystem::{Files, Info, Needle, Place, Scope, Stop, TURN_TIME, Walk};

/// Files that are sent, their bytes together, and those of one: more than a model reads.
const FILES_MAX: usize = 1000;
const BYTES_MAX: usize = 4 << 20;
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Folders that are left out with all that is in them: the known server's list.
const EXCLUDED: [&str; 8] =
    ["node_modules", "vendor", ".git", "dist", "build", "target", "__pycache__", ".venv"];

/// What is asked for when the client does not say.
const SCORE_THRESHOLD: f64 = 0.5;
const TOKEN_LIMIT: i64 = 30_000;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RerankRequest {
    /// The folder.
    pub(crate) place: Place,
    /// The question.
    pub(crate) query: String,
    /// The least score of a file that is given.
    pub(crate) score_threshold: f64,
    /// How much the model may look at.
    pub(crate) token_limit: i64,
    /// Only files whose paths fit it; all when it is empty.
    pub(crate) file_pattern: String,
}

impl RerankRequest {
    /// With what is usual.
    pub(crate) fn new(place: Place, query: String) -> Self {
        Self {
            place,
            query,
            score_threshold: SCORE_THRESHOLD,
            token_limit: TOKEN_LIMIT,
            file_pattern: String::new(),
        }
    }
}

/// A file that is ranked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Below the folder as asked for.
    pub(super) path: String,
    pub(super) content: String,
}

/// A file with its score.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RankedFile {
    /// Below the folder as asked for.
    pub(crate) path: String,
    /// Its text.
    pub(crate) content: String,
    /// The provider's.
    pub(crate) score: f64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reranked {
    /// In the provider's order.
    pub(crate) files: Vec<RankedFile>,
    /// Not all files of the folder were sent.
    is_part: bool,
}

impl Reranked {
    /// What was found, in words.
    pub(crate) fn message(&self) -> String {
        let found = match self.files.len() {
            0 => "No files found matching criteria".to_owned(),
            count => format!("Found {count} relevant files"),
        };
        if self.is_part {
            return format!("{found}; only the first {FILES_MAX} files or {BYTES_MAX} bytes were looked at");
        }
        found
    }
}

/// Files on their way into a request.
struct Gathering {
    walk: Walk,
    given: PathBuf,
    pattern: Option<Needle>,
    files: Vec<Candidate>,
    bytes: usize,
    is_part: bool,
}

impl Codegen {
    /// Ranks the files of a folder. Dropped, it stops to gather them.
    pub(crate) async fn rerank(&self, files: &Files, asked: RerankRequest) -> Result<Reranked> {
        let provider = self.provider()?;
        let RerankRequest { place, query, score_threshold, token_limit, file_pattern } = asked;
        let turn = self.turn().await;
        let stop = Stop::new();
        let wanted = stop.wanted();
        let gathering = files.run_in_turn(move |files| open(files, &place, &file_pattern, stop)).await?;
        let gathered = files.run_in_turns(gathering, |gathering: &mut Gathering| gathering.turn()).await?;
        drop(wanted);
        let is_part = gathered.is_part;
        if gathered.files.is_empty() {
            return Ok(Reranked { files: Vec::new(), is_part });
        }
        blocking::unblock(move || {
            let candidates = gathered.files;
            let ranked = provider.rank(&query, &candidates, token_limit);
            drop(turn);
            let mut candidates: Vec<_> = candidates.into_iter().map(Some).collect();
            let wanted = ranked?.into_iter().filter(|(_, score)| *score >= score_threshold);
            let files = wanted.filter_map(|(place, score)| {
                // Each once, whatever the provider says.
                let Candidate { path, content } = candidates[place].take()?;
                Some(RankedFile { path, content, score })
            });
            Ok(Reranked { files: files.collect(), is_part })
        })
        .await
    }
}

fn open(files: &Files, place: &Place, pattern: &str, stop: Stop) -> Result<Gathering> {
    let stat = files.root.stat(&place.absolute, true);
    if !stat.is_ok_and(|stat| Info::new(&stat).is_folder()) {
        return Err(Error::NotFolder);
    }
    let pattern = match pattern {
        "" => None,
        text => Some(Needle::pattern(text, true).map_err(|why| Error::InvalidPattern { why })?),
    };
    let scope =
        Scope { exclude_folders: EXCLUDED.into_iter().map(OsString::from).collect(), ..Scope::default() };
    let given = if place.given.as_os_str() == "." { PathBuf::new() } else { place.given.clone() };
    let walk = Walk::open(files, place, scope, stop)?;
    Ok(Gathering { walk, given, pattern, files: Vec::new(), bytes: 0, is_part: false })
}

impl Gathering {
    /// Gathers some more; false at the end.
    fn turn(&mut self) -> Result<bool> {
        let began = Instant::now();
        while began.elapsed() < TURN_TIME {
            if !self.walk.advance()? {
                return Ok(false);
            }
            if self.walk.name().as_bytes().starts_with(b".") {
                continue;
            }
            let path = self.given.join(self.walk.path());
            let bytes = path.as_os_str().as_bytes();
            if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_in(bytes)) {
                continue;
            }
            let Some((file, info)) = self.walk.open_file()? else { continue };
            let Some(content) = text(file, &info) else { continue };
            if self.files.len() >= FILES_MAX || self.bytes + content.len() > BYTES_MAX {
                self.is_part = true;
                return Ok(false);
            }
            self.bytes += content.len();
            self.files.push(Candidate { path: path.to_string_lossy().into_owned(), content });
        }
        Ok(true)
    }
}

/// The text of a file that a model can read: none of one that is large, or that is no text.
fn text(file: File, info: &Info) -> Option<String> {
    if info.size > FILE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > FILE_BYTES_MAX || bytes.contains(&0) {
        return None;
    }
    String::from_utf8(bytes).ok()
}
