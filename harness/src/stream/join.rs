//! Chunking taken away: the events of a stream as the pieces that are compared.
//!
//! Output that arrives in one piece or in a hundred gives the same pieces. Between two notices (a restart, a gap) the bytes of
//! each stream stand by themselves, because nobody can know the order in which a command wrote to two pipes; only where
//! the case says that it slept in between is that order kept.

use serde_json::Value;

use super::event::{Event, Kind};

/// What a transcript shows of a stream, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Output { stream: String, bytes: Vec<u8> },
    Event { name: String, value: Value },
}

/// Joins the events of a stream.
pub(crate) fn join<'a>(events: impl IntoIterator<Item = &'a Event>, ordered: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut run: Vec<(String, Vec<u8>)> = Vec::new();
    for event in events {
        match &event.kind {
            Kind::Output { stream, bytes } => {
                let known = if ordered {
                    run.last_mut().filter(|(known, _)| known == stream)
                } else {
                    run.iter_mut().find(|(known, _)| known == stream)
                };
                match known {
                    Some((_, joined)) => joined.extend_from_slice(bytes),
                    None => run.push((stream.clone(), bytes.clone())),
                }
            }
            Kind::Notice { name, value } | Kind::Terminal { name, value } => {
                flush(&mut run, ordered, &mut pieces);
                pieces.push(Piece::Event { name: name.clone(), value: value.clone() });
            }
        }
    }
    flush(&mut run, ordered, &mut pieces);
    pieces
}

fn flush(run: &mut Vec<(String, Vec<u8>)>, ordered: bool, pieces: &mut Vec<Piece>) {
    if !ordered {
        // stdout first: the order in which the streams first came is no contract either.
        run.sort_by(|(left, _), (right, _)| right.cmp(left));
    }
    pieces.extend(run.drain(..).map(|(stream, bytes)| Piece::Output { stream, bytes }));
}
