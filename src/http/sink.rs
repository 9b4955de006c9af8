//! `Sink`: bytes of a request on their way into a file, a few at a time, where waiting is allowed.
//!
//! One batch is written while the next is received; so an upload of any size needs two batches of memory, and a disk that is slower
//! than the client slows the client down.

use blocking::Task;
use bytes::Bytes;

use crate::error::Result;
use crate::filesystem::{Files, Place, Upload, WriteOptions, Written};

/// What one hop to the disk takes.
const BATCH_BYTES: usize = 512 * 1024;

/// What a piece takes besides its bytes: a body may come a byte at a time.
const PIECE_BYTES: usize = 64;

/// See the module. Dropped before it is finished, nothing has happened.
pub(crate) struct Sink {
    files: Files,
    place: Place,
    options: WriteOptions,
    batch: Vec<Bytes>,
    batch_bytes: usize,
    state: State,
}

enum State {
    /// No byte has left for the disk.
    Fresh,
    /// A batch is being written.
    Busy(Task<Result<Upload>>),
    /// A write failed, and its error was told.
    Failed,
}

impl Sink {
    /// Into a file.
    pub(crate) fn new(files: &Files, place: Place, options: WriteOptions) -> Self {
        Self { files: files.clone(), place, options, batch: Vec::new(), batch_bytes: 0, state: State::Fresh }
    }

    /// Takes bytes.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.batch_bytes += bytes.len() + PIECE_BYTES;
        self.batch.push(bytes);
        if self.batch_bytes < BATCH_BYTES { Ok(()) } else { self.send().await }
    }

    /// Gives the file its name. `mode` is for a new file.
    pub(crate) async fn finish(mut self, mode: Option<u32>) -> Result<Written> {
        if let State::Fresh = self.state {
            // All that came is here: one hop does everything.
            let (place, batch) = (self.place, self.batch);
            let options = WriteOptions { mode, ..self.options };
            return self
                .files
                .run(move |files| {
                    let mut upload = Upload::begin(files, &place, options)?;
                    write_all(&mut upload, &batch)?;
                    upload.commit()
                })
                .await;
        }
        self.send().await?;
        let mut upload = self.idle().await?;
        self.files
            .run(move |_| {
                upload.set_mode(mode)?;
                upload.commit()
            })
            .await
    }

    async fn send(&mut self) -> Result<()> {
        let (batch, files) = (std::mem::take(&mut self.batch), self.files.clone());
        self.batch_bytes = 0;
        let task = if let State::Fresh = self.state {
            let (place, options) = (self.place.clone(), self.options.clone());
            blocking::unblock(move || {
                files.act(|| {
                    let mut upload = Upload::begin(&files, &place, options)?;
                    write_all(&mut upload, &batch).map(|()| upload)
                })
            })
        } else {
            let mut upload = self.idle().await?;
            blocking::unblock(move || files.act(|| write_all(&mut upload, &batch).map(|()| upload)))
        };
        self.state = State::Busy(task);
        Ok(())
    }

    async fn idle(&mut self) -> Result<Upload> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Busy(task) => task.await,
            State::Fresh | State::Failed => {
                unreachable!("a sink is begun before it is waited for, and not used after an error")
            }
        }
    }
}

fn write_all(upload: &mut Upload, batch: &[Bytes]) -> Result<()> {
    batch.iter().try_for_each(|bytes| upload.write(bytes))
}
