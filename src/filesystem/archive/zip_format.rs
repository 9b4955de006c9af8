//! The numbers of zip archives (PKWARE's APPNOTE 6.3.10) that both sides need, and its times. Pure.

/// What records begin with.
pub(super) const LOCAL: u32 = 0x0403_4b50;
pub(super) const DESCRIPTOR: u32 = 0x0807_4b50;
pub(super) const CENTRAL: u32 = 0x0201_4b50;
pub(super) const END: u32 = 0x0605_4b50;
pub(super) const END_64: u32 = 0x0606_4b50;
pub(super) const LOCATOR_64: u32 = 0x0706_4b50;

/// Bytes of records without what has a length of its own.
pub(super) const LOCAL_BYTES: usize = 30;
pub(super) const CENTRAL_BYTES: usize = 46;
pub(super) const END_BYTES: usize = 22;
pub(super) const END_64_BYTES: usize = 56;
pub(super) const LOCATOR_64_BYTES: usize = 20;

/// Flags: encrypted; sizes follow the bytes; names are UTF-8.
pub(super) const ENCRYPTED: u16 = 1;
pub(super) const SIZES_FOLLOW: u16 = 1 << 3;
pub(super) const UTF_8: u16 = 1 << 11;

/// How bytes are kept.
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

/// Extra fields: sizes of 64 bits, and times to the second in UTC.
pub(super) const EXTRA_64: u16 = 0x0001;
pub(super) const EXTRA_TIME: u16 = 0x5455;

/// Who made the archive: its modes are those of Unix.
pub(super) const UNIX: u16 = 3;

/// A version that knows 64 bits.
pub(super) const VERSION_64: u16 = 45;

/// Stands where a number has 64 bits and is elsewhere.
pub(super) const ELSEWHERE: u32 = u32::MAX;

/// The kinds in a mode.
pub(super) const KIND: u32 = 0o170_000;
pub(super) const FILE: u32 = 0o100_000;
pub(super) const FOLDER: u32 = 0o040_000;
pub(super) const LINK: u32 = 0o120_000;

/// A number of 16, 32 or 64 bits at a place.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes are two bytes"))
}

/// See `u16_at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes are four bytes"))
}

/// See `u16_at`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes are eight bytes"))
}

/// The extra field of this kind.
pub(super) fn extra(mut extras: &[u8], kind: u16) -> Option<&[u8]> {
    while extras.len() >= 4 {
        let (found, len) = (u16_at(extras, 0), usize::from(u16_at(extras, 2)));
        let field = extras.get(4..4 + len)?;
        if found == kind {
            return Some(field);
        }
        extras = &extras[4 + len..];
    }
    None
}

/// Days of 400 years.
const DAYS_400: i64 = 146_097;

/// A time as zip has it, to two seconds, from 1980 to 2107: the date in the upper half. Others are the nearest of these.
pub(super) fn dos_time(seconds: i64) -> u32 {
    // 1980-01-01 and the last of 2107.
    let seconds = seconds.clamp(315_532_800, 4_354_819_198);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    let date = ((year - 1980) << 9) | (month << 5) | day;
    let time = ((second / 3600) << 11) | ((second / 60 % 60) << 5) | ((second % 60) / 2);
    u32::try_from((date << 16) | time).unwrap_or(0)
}

/// The same back.
pub(super) fn from_dos_time(time: u32) -> i64 {
    let bits = |at: u32, len: u32| i64::from((time >> at) & ((1 << len) - 1));
    let (year, month, day) = (1980 + bits(25, 7), bits(21, 4).clamp(1, 12), bits(16, 5).max(1));
    // Hinnant, "chrono-compatible low-level date algorithms".
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        era * DAYS_400 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    days * 86_400 + bits(11, 5) * 3600 + bits(5, 6) * 60 + bits(0, 5) * 2
}

/// The date of a day counted from 1970-01-01.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, day_of_era) = (day.div_euclid(DAYS_400), day.rem_euclid(DAYS_400));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times() {
        assert_eq!(dos_time(0), 0x0021_0000);
        assert_eq!(from_dos_time(0x0021_0000), 315_532_800);
        // 2026-11-23T21:32:50Z
        assert_eq!(dos_time(1_795_469_570), 0x5d77_ac19);
        assert_eq!(from_dos_time(0), 315_532_800);
    }

    #[test]
    fn extras_are_found_and_may_be_nonsense() {
        assert_eq!(extra(b"\x09\0\x01\0x\x55\x54\x02\0ab", EXTRA_TIME), Some(&b"ab"[..]));
        for nonsense in [&b""[..], b"\x55", b"\x55\x54\xff\xffab", b"\x09\0\x01\0x\x55\x54"] {
            assert_eq!(extra(nonsense, EXTRA_TIME), None);
        }
    }

    proptest! {
        #[test]
        fn times_are_kept_to_two_seconds(seconds in 315_532_800_i64..4_354_819_198) {
            prop_assert_eq!(from_dos_time(dos_time(seconds)), seconds / 2 * 2);
        }
    }
}
