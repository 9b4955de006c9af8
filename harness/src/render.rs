//! A step as lines of a transcript: its title, what was sent, what came back.
//!
//! What was sent is shown as the fixture writes it, variables unfilled; what came back goes through the normaliser.

mod answer;
mod title;

pub(crate) use self::{
    answer::{Look, answer_lines, asked_lines, head_lines},
    title::{request_lines, title},
};
