//! The worker's life with its keeper: exits of adopted commands, the order to end, and making way for the next worker.

use std::io;
use std::sync::Arc;

use crate::custody::{self, Word};
use crate::http::Server;
use crate::process::Tail;
use crate::runtime::Runtime;
use crate::sandbox::Sandbox;
use crate::sys::packets::Packets;
use crate::sys::signals::Orders;
use crate::upgrade::Upgrader;

/// What the keeper's words are about.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) sandbox: Sandbox,
    pub(crate) server: Server,
    pub(crate) runtime: Runtime,
    pub(crate) orders: Orders,
    pub(crate) upgrader: Arc<Upgrader>,
    /// There once another worker has taken over.
    pub(crate) tail: Arc<std::sync::OnceLock<Arc<Tail>>>,
}

impl Worker {
    /// Hears the keeper, on a thread of its own, as long as both live.
    pub(crate) fn follow_keeper(self, packets: Arc<Packets>) -> io::Result<()> {
        let run = move || {
            while let Some(word) = custody::next_word(&packets) {
                self.hear(word);
            }
            self.sandbox.keeper_is_gone();
            self.orders.keeper_is_gone();
        };
        std::thread::Builder::new().name("boxd-keeper".to_owned()).spawn(run)?;
        Ok(())
    }

    fn hear(&self, word: Word) {
        match word {
            Word::Exited(key, exited) => {
                // Not here: a disk that stalls would hold up the exits of others.
                let sandbox = self.sandbox.clone();
                blocking::unblock(move || sandbox.told_exit(key, exited)).detach();
            }
            Word::End => self.orders.give(),
            Word::Reload => {
                let (upgrader, sandbox) = (self.upgrader.clone(), self.sandbox.clone());
                self.runtime.spawn(async move { upgrader.reload(&sandbox).await }).detach();
            }
            Word::Retire => self.runtime.spawn(self.clone().retire()).detach(),
            Word::UpgradeFailed(why) => self.upgrader.failed(&why, &self.sandbox),
            Word::Connection { socket, on_loopback, read } => {
                self.server.take_over(socket, on_loopback, read);
            }
            Word::Journal(journal) => {
                if let Some(tail) = self.tail.get() {
                    tail.switch(journal);
                }
            }
            Word::Noted => {
                if let Some(tail) = self.tail.get() {
                    tail.read_journal();
                }
            }
            Word::Alone => self.sandbox.custody().set_followed(false),
        }
    }

    /// Makes way for the next worker. Connections that come meanwhile wait for it.
    async fn retire(self) {
        // Requests first: what was begun is done here, and what comes from now on is the next worker's.
        self.server.retire().await;
        match self.sandbox.retire().await {
            Ok(tail) => {
                self.tail.set(tail).ok();
                self.orders.retire();
            }
            Err(why) => {
                self.server.resume();
                tracing::error!("this worker cannot be replaced: {why}");
                self.sandbox.custody().refuse(&why);
                self.upgrader.failed(&why, &self.sandbox);
            }
        }
    }
}
