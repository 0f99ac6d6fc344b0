//! One number for each of the last hops, found again by the sample at which a hop ends.

use crate::audio::SampleTime;
use crate::detect::spectrum::HOP;

/// The numbers of the last `HOPS` hops; what was not set, or is older, is another hop's.
#[derive(Debug)]
pub(super) struct PerHop<T, const HOPS: usize>([T; HOPS]);

impl<T: Copy, const HOPS: usize> PerHop<T, HOPS> {
    pub(super) const fn filled(with: T) -> Self {
        Self([with; HOPS])
    }

    /// The number of the hop that ends at `end`, or in which that sample lies.
    pub(super) fn at(&self, end: SampleTime) -> T {
        self.0[Self::place(end)]
    }

    pub(super) fn set(&mut self, end: SampleTime, value: T) {
        self.0[Self::place(end)] = value;
    }

    const fn place(end: SampleTime) -> usize {
        (end.0 / HOP as u64) as usize % HOPS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hops_are_kept() {
        let mut kept = PerHop::<u32, 4>::filled(0);
        let end = |hop: u32| SampleTime(u64::from(hop) * HOP as u64);
        (1..=6).for_each(|hop| kept.set(end(hop), hop));
        assert_eq!((3..=6).map(|hop| kept.at(end(hop))).collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(kept.at(SampleTime(end(6).0 + HOP as u64 - 1)), 6);
    }
}
