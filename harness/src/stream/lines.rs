//! `Lines`: whole lines out of bytes that were cut anywhere. Pure.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// What has no end yet.
    pending: Vec<u8>,
}

impl Lines {
    /// Takes more bytes; the lines that are whole with them, without their ends.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.pending.extend_from_slice(bytes);
        let Some(end) = self.pending.iter().rposition(|&byte| byte == b'\n') else { return Vec::new() };
        let rest = self.pending.split_off(end + 1);
        let whole = std::mem::replace(&mut self.pending, rest);
        whole[..end].split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    /// Whether a line has begun and not ended.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn however_they_are_cut_lines_are_the_same(
            lines in vec("[a-c\r]{0,4}", 0..6),
            rest in "[a-c]{0,3}",
            cuts in vec(0_usize..40, 0..6),
        ) {
            let text: String = lines.iter().flat_map(|line| [line, "\n"]).chain([rest.as_str()]).collect();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut reader = Lines::default();
            let read: Vec<_> =
                cuts.windows(2).flat_map(|pair| reader.feed(&text.as_bytes()[pair[0]..pair[1]])).collect();
            prop_assert_eq!(read, lines.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>());
            prop_assert_eq!(reader.is_unfinished(), !rest.is_empty());
        }
    }
}
