//! Work on many small things, spread over the processors.

use std::thread;

/// Fewer things than this are not worth a thread.
const SHARE_MIN: usize = 48;

/// More threads than this gain little: the kernel's locks are what is waited for then.
const THREADS_MAX: usize = 4;

/// What `work` makes of each, in their order. The calling thread does a share.
pub(crate) fn spread<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let share = things.len().div_ceil(processors).max(SHARE_MIN);
    let Some((first, rest)) = things.split_at_checked(share) else {
        return things.iter().map(work).collect();
    };
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = rest
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>()))
            .collect();
        let mut made: Vec<R> = first.iter().map(work).collect();
        for other in others {
            made.append(&mut other.join().expect("the work panics in none of the callers"));
        }
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_in_order() {
        for count in [0, 1, 47, 48, 49, 97, 500] {
            let things: Vec<usize> = (0..count).collect();
            let expect: Vec<usize> = things.iter().map(|n| n * 2).collect();
            assert_eq!(spread(&things, |n| n * 2), expect);
        }
    }
}
