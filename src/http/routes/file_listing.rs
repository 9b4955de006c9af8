//! The list of a folder as JSON, piece by piece.

use crate::error::Result;
use crate::filesystem::{Files, Listing, Place};
use crate::http::file_view;
use crate::http::produced::Producer;
use crate::user::Names;
use crate::wire::json;

/// Entries of one piece.
const PIECE_ENTRIES: usize = 256;

/// Which array is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head,
    Files,
    Folders,
    Done,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ListingBody {
    place: Place,
    listing: Listing,
    names: Names,
    phase: Phase,
    next: usize,
    is_first: bool,
}

impl ListingBody {
    /// Reads the names.
    pub(crate) fn open(files: &Files, place: Place) -> Result<Self> {
        let listing = Listing::open(files, &place)?;
        let names = files.accounts.now();
        Ok(Self { place, listing, names, phase: Phase::Head, next: 0, is_first: true })
    }

    fn entries(&mut self, out: &mut Vec<u8>) -> Result<()> {
        for _ in 0..PIECE_ENTRIES {
            let Some((name, is_folder)) = self.listing.entry(self.next) else {
                self.next_phase(out);
                return Ok(());
            };
            self.next += 1;
            if is_folder != (self.phase == Phase::Folders) {
                continue;
            }
            let path = self.place.given.join(name);
            let entry = if is_folder {
                json::to_vec(&file_view::folder(&path, name))
            } else {
                // What has gone meanwhile is not listed.
                let Some(info) = self.listing.info(name)? else { continue };
                json::to_vec(&file_view::file(&path, name, &info, &self.names))
            };
            if !std::mem::take(&mut self.is_first) {
                out.push(b',');
            }
            out.extend_from_slice(&entry);
        }
        Ok(())
    }

    fn next_phase(&mut self, out: &mut Vec<u8>) {
        let (text, phase): (&[u8], Phase) = match self.phase {
            Phase::Head | Phase::Files => (b"],\"subdirectories\":[", Phase::Folders),
            Phase::Folders | Phase::Done => (b"]}", Phase::Done),
        };
        out.extend_from_slice(text);
        (self.phase, self.next, self.is_first) = (phase, 0, true);
    }
}

impl Producer for ListingBody {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut out = Vec::new();
        match self.phase {
            Phase::Done => return Ok(None),
            Phase::Head => {
                let folder = file_view::folder(&self.place.given, self.place.name());
                out = json::to_vec(&folder);
                out.pop();
                out.extend_from_slice(b",\"files\":[");
                self.phase = Phase::Files;
            }
            Phase::Files | Phase::Folders => {}
        }
        self.entries(&mut out)?;
        Ok(Some(out))
    }
}
