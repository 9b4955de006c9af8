//! Transcripts of streams: what a right server may do differently each time makes no difference, and what a wrong one does always does.
//!
//! The model of a server sends a script as SSE. Where it cuts output into events, how the two streams lie between each other, where
//! heartbeats come, where the connection breaks off and how the bytes come over it are chosen at random.

mod model;

use proptest::{prelude::*, sample::Index};

use self::model::{Chances, Defect, Script, Server, chances, follow, script};

proptest! {
    #[test]
    fn any_way_of_a_right_server_gives_the_same_transcript(
        script in script(), cuts in prop::collection::vec(any::<u16>(), 0..4), chances in chances(), ordered in any::<bool>(),
    ) {
        let server = Server::right(&script, ordered);
        let told = follow(&server, &cuts, Chances::new(&chances));
        prop_assert_eq!(&told.broken, &[""; 0]);
        prop_assert_eq!(told.transcript, script.transcript(ordered));
    }

    #[test]
    fn any_defect_gives_another_transcript_or_a_sentence(
        script in script(), cuts in prop::collection::vec(any::<u16>(), 0..4), chances in chances(), ordered in any::<bool>(),
        defect in prop::sample::select(&Defect::ALL[..]), place in any::<Index>(),
    ) {
        let wrong = script.with(defect, place);
        let told = follow(&Server::with(&wrong, ordered, defect), &cuts, Chances::new(&chances));
        if defect.is_at_a_seam() && !told.has_shifted {
            // Nobody came back, or not to a place where there is something to lose or to repeat.
            return Ok(());
        }
        let is_found = told.transcript != script.transcript(ordered) || !told.broken.is_empty();
        prop_assert!(is_found, "{:?}: {:?}", defect, told.transcript);
    }
}

/// The cases above that may say nothing do say something, most of the time.
#[test]
fn seams_are_met() {
    let script = Script::of(&[&[(true, b"abc\r\nd"), (false, b"ef")]]);
    for defect in Defect::ALL.into_iter().filter(|defect| defect.is_at_a_seam()) {
        let server = Server::with(&script, false, defect);
        let met = (0..=u8::MAX).filter(|&seed| {
            let chances = [seed, seed.wrapping_mul(7), 3, 1];
            // Behind about two thirds of the body.
            let told = follow(&server, &[u16::MAX / 3 * 2], Chances::new(&chances));
            let is_found = told.transcript != script.transcript(false) || !told.broken.is_empty();
            assert_eq!(is_found, told.has_shifted, "{defect:?} {seed}");
            told.has_shifted
        });
        assert!(met.count() > 100, "{defect:?}");
    }
}
