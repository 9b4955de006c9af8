//! A change of a file that a model merges.

use crate::error::{Error, Result};
use crate::filesystem::{Condition, Files, Found, Info, Place, Tags, Upload, WriteOptions, read_whole};

use super::Codegen;

/// Bytes of a file that is sent to a provider, and of the change: models take less.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApplyRequest {
    /// The file. One that is not there is empty.
    pub(crate) place: Place,
    /// The change, not empty.
    pub(crate) code_edit: String,
    /// The model; the provider's usual one when empty.
    pub(crate) model: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The text before.
    pub(crate) original: String,
    /// The text now.
    pub(crate) updated: String,
    /// Whose model it was.
    pub(crate) provider: &'static str,
}

impl Codegen {
    /// Merges a change into a file. It is written at one instant, and only when nobody has changed it meanwhile. Dropped, it changes nothing
    /// unless the writing has begun.
    pub(crate) async fn apply(&self, files: &Files, asked: ApplyRequest) -> Result<Applied> {
        let provider = self.provider()?;
        if asked.code_edit.len() as u64 > FILE_BYTES_MAX {
            let found = format!("codeEdit has more than {FILE_BYTES_MAX} bytes");
            return Err(Error::TooMuch { what: "code edit", found });
        }
        let ApplyRequest { place, code_edit, model } = asked;
        let turn = self.turn().await;
        let at = place.clone();
        let (original, condition) = files.run(move |files| read(files, &at)).await?;
        let (original, updated) = blocking::unblock({
            let provider = provider.clone();
            move || {
                let merged = provider.merge(&original, &code_edit, &model);
                // The thread holds the turn, and not who waits for it: who leaves does not free the thread.
                drop(turn);
                merged.map(|merged| (original, merged))
            }
        })
        .await?;
        let options = WriteOptions { condition, ..WriteOptions::default() };
        let updated = files
            .run(move |files| Upload::whole(files, &place, options, updated.as_bytes()).map(|_| updated))
            .await?;
        Ok(Applied { original, updated, provider: provider.name() })
    }
}

/// The text of a file, and what must be there when it is written.
fn read(files: &Files, place: &Place) -> Result<(String, Condition)> {
    match Found::find(files, place) {
        Err(error) if error.file_errno() == Some(rustix::io::Errno::NOENT) => {
            Ok((String::new(), Condition { is: None, is_not: Some(Tags::Any) }))
        }
        Err(error) => Err(error),
        Ok(Found::Folder) => Err(Error::IsFolder),
        Ok(Found::File(..)) => {
            let (bytes, info): (Vec<u8>, Info) = read_whole(files, place, FILE_BYTES_MAX)?;
            // As U+FFFD it would come back, and what was there would be gone.
            let text =
                String::from_utf8(bytes).map_err(|_| Error::NotText { path: place.absolute.clone() })?;
            Ok((text, Condition { is: Some(Tags::These(vec![info.etag()])), is_not: None }))
        }
    }
}
