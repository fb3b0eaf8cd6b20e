//! Windows by event time: which stretches of time they cover, and when those are over.
//!
//! Windows of one kind all have the same size and start a slide apart. A window is over when a row
//! has been seen that is younger than its end by the allowed lateness: the watermark of T. Akidau
//! et al., "The dataflow model", VLDB 2015. With several sources it is that of the one that has
//! come least far, as long as it brings anything; a row ahead of the clock is nobody's. A row whose
//! windows are all over is late.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A row whose time lies further ahead of the clock has no usable time.
pub const AHEAD_MAX: Duration = Duration::from_hours(24);

/// `type = "time"`, checked: the slide is neither zero nor longer than the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub size: Duration,
    pub slide: Duration,
    /// Windows start at multiples of the slide since 1970 plus this.
    pub offset: Duration,
    /// How far rows may lag behind the youngest that their source has brought.
    pub lateness: Duration,
    /// When nothing arrives for so long, windows that are over by the clock close as well.
    pub idle_timeout: Duration,
}

/// Microseconds.
fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Period {
    /// The width of the panes that windows of all these periods are made of.
    pub fn pane_width<'a>(periods: impl Iterator<Item = &'a Period>) -> Option<i64> {
        let lengths = periods.flat_map(|period| [period.size, period.slide, period.offset]);
        lengths.map(micros).reduce(gcd).filter(|width| *width > 0)
    }

    fn size(&self) -> i64 {
        micros(self.size)
    }

    /// How many windows further on one has no row of this one: 1 where windows do not overlap.
    pub fn overlapping(&self) -> u64 {
        self.size().div_euclid(self.slide()).max(1) as u64
            + u64::from(self.size().rem_euclid(self.slide()) > 0)
    }

    fn slide(&self) -> i64 {
        micros(self.slide)
    }

    /// Ends lie at this, modulo the slide.
    fn phase(&self) -> i64 {
        micros(self.offset) + self.size()
    }

    /// The greatest end at or before `time`.
    pub fn end_before(&self, time: Timestamp) -> Timestamp {
        let slides = (time.0.saturating_sub(self.phase())).div_euclid(self.slide());
        Timestamp(slides * self.slide() + self.phase())
    }

    /// The ends of the windows that hold `time`: the first and the last.
    pub fn ends(&self, time: Timestamp) -> (Timestamp, Timestamp) {
        let first = Timestamp(self.end_before(time).0 + self.slide());
        // The window that starts last at or before `time`.
        let last = self.end_before(Timestamp(time.0.saturating_add(self.size())));
        (first, last)
    }

    /// The ends after `after` and up to `upto` of windows that hold `time`.
    pub fn ends_between(
        &self,
        time: Timestamp,
        after: Option<Timestamp>,
        upto: Timestamp,
    ) -> impl Iterator<Item = Timestamp> {
        let (first, last) = self.ends(time);
        let first = after.map_or(first, |after| first.max(Timestamp(after.0 + self.slide())));
        let (slide, last) = (self.slide(), last.min(upto));
        std::iter::successors(Some(first), move |end| Some(Timestamp(end.0 + slide)))
            .take_while(move |end| *end <= last)
    }

    pub fn start(&self, end: Timestamp) -> Timestamp {
        Timestamp(end.0 - self.size())
    }

    /// A number for the window with this end; never negative, as nothing is older than 1970.
    pub fn slot(&self, end: Timestamp) -> u64 {
        end.0.div_euclid(self.slide()).max(0) as u64
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The position of one window by event time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodCursor {
    pub period: Period,
    place: PeriodPlace,
}

/// How far one source has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SourceMark {
    source: String,
    /// The youngest row that was not ahead of the clock.
    youngest: Option<Timestamp>,
    /// When such a row last came, or since when one is waited for; wall clock.
    arrived: Timestamp,
}

/// The part of a cursor that survives restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodPlace {
    /// Windows with ends up to here are closed.
    closed: Option<Timestamp>,
    /// The youngest row that was not ahead of the clock.
    youngest: Option<Timestamp>,
    /// When rows were last counted; wall clock.
    arrived: Option<Timestamp>,
    /// The last end up to which silence was told of.
    silent: Option<Timestamp>,
    /// Rows come about when they happen, not years later.
    is_live: bool,
    #[serde(default)]
    sources: Vec<SourceMark>,
}

impl PeriodCursor {
    pub fn resume(period: Period, place: PeriodPlace) -> PeriodCursor {
        PeriodCursor { period, place }
    }

    pub fn place(&self) -> PeriodPlace {
        self.place.clone()
    }

    /// Waits for rows of these sources, for a while from now on.
    pub fn expect(&mut self, sources: &[&str], now: Timestamp) {
        let before = std::mem::take(&mut self.place.sources);
        let mark = |source: &&str| {
            // A state of before knew no sources, and how far the one there was had come.
            let youngest = match before.iter().find(|own| own.source == **source) {
                Some(known) => known.youngest,
                None if before.is_empty() && sources.len() == 1 => self.place.youngest,
                None => None,
            };
            SourceMark { source: (*source).to_owned(), youngest, arrived: now }
        };
        self.place.sources = sources.iter().map(mark).collect();
    }

    /// Notes rows of a source that were counted, with the youngest that was not ahead of the clock.
    pub fn note(&mut self, source: &str, youngest: Option<Timestamp>, now: Timestamp) {
        self.place.youngest = self.place.youngest.max(youngest);
        self.place.arrived = self.place.arrived.max(Some(now));
        if youngest.is_none() {
            return;
        }
        let marks = &mut self.place.sources;
        match marks.iter_mut().find(|mark| mark.source == source) {
            Some(mark) => {
                mark.youngest = mark.youngest.max(youngest);
                mark.arrived = mark.arrived.max(now);
            }
            None => marks.push(SourceMark { source: source.to_owned(), youngest, arrived: now }),
        }
    }

    /// The youngest row of the source that has come least far, of those that are not idle.
    fn watermark(&self, now: Timestamp) -> Option<Timestamp> {
        let idle_timeout = self.period.idle_timeout;
        let marks = self.place.sources.iter();
        let active = marks.filter(|mark| mark.arrived.plus(idle_timeout) > now);
        // A source that has brought nothing yet is the least.
        active.map(|mark| mark.youngest).min().unwrap_or(self.place.youngest)
    }

    /// Whether some window that holds `time` has closed.
    pub fn is_late(&self, time: Timestamp) -> bool {
        self.place.closed.is_some_and(|closed| self.period.ends(time).0 <= closed)
    }

    /// Whether all windows that hold `time` have closed.
    pub fn is_over(&self, time: Timestamp) -> bool {
        self.place.closed.is_some_and(|closed| self.period.ends(time).1 <= closed)
    }

    /// Up to which end windows are due: by the watermark, or by the clock alone when nothing has
    /// come for a while. `newest` is the start of the newest pane; rows without a time of their own
    /// are there and move no watermark.
    pub fn due(&self, now: Timestamp, newest: Option<Timestamp>) -> Option<Timestamp> {
        let before =
            |reached: Timestamp| self.period.end_before(reached.minus(self.period.lateness));
        let is_idle = self.idle_at().is_some_and(|idle_at| idle_at <= now);
        let due = if is_idle {
            before(now).min(self.period.ends(self.place.youngest.max(newest)?).1)
        } else {
            before(self.watermark(now)?.min(now))
        };
        (self.place.closed < Some(due)).then_some(due)
    }

    /// Closes all windows with ends up to `end`.
    pub fn close(&mut self, end: Timestamp, now: Timestamp) {
        self.place.closed = self.place.closed.max(Some(end));
        let slack = self.period.size + self.period.lateness + self.period.idle_timeout;
        let newest = self.place.youngest.unwrap_or_default();
        self.place.is_live = now <= newest.plus(slack);
    }

    pub fn closed(&self) -> Option<Timestamp> {
        self.place.closed
    }

    /// The end of a window in which nothing came, once it can be told: rows used to come as they
    /// happened, and this one's should have been here for a while. Should they come after all,
    /// they are not late.
    pub fn silence(&mut self, now: Timestamp) -> Option<Timestamp> {
        let due = self.period.end_before(now.minus(self.silence_wait()));
        let told = self.place.closed.max(self.place.silent)?;
        let is_due = self.place.is_live && due > told && self.idle_at()? <= now;
        is_due.then(|| *self.place.silent.insert(due))
    }

    fn silence_wait(&self) -> Duration {
        self.period.lateness + self.period.idle_timeout.max(self.period.size)
    }

    fn idle_at(&self) -> Option<Timestamp> {
        Some(self.place.arrived?.plus(self.period.idle_timeout))
    }

    /// When the clock alone will have something to close; `oldest` is the start of the oldest pane
    /// that is open.
    pub fn deadline(&self, oldest: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let idle_at = self.idle_at()?;
        // A source that is given up no longer holds the others back.
        let marks = self.place.sources.iter();
        let given_up = marks.map(|mark| mark.arrived.plus(self.period.idle_timeout));
        let given_up = given_up.filter(|at| *at > now).min().filter(|_| oldest.is_some());
        let after = |end: Timestamp, wait: Duration| idle_at.max(end.plus(wait));
        let next = |after: Timestamp| Timestamp(after.0 + self.period.slide());
        let first = oldest.map(|oldest| self.period.ends(oldest).0);
        let open = first.map(|first| first.max(self.place.closed.map_or(first, next)));
        let open = open.map(|end| after(end, self.period.lateness));
        let told = self.place.closed.max(self.place.silent).filter(|_| self.place.is_live);
        let silence = told.map(|told| after(next(told), self.silence_wait()));
        open.into_iter().chain(silence).chain(given_up).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn period(size: u64, slide: u64, offset: u64) -> Period {
        let s = Duration::from_secs;
        Period {
            size: s(size),
            slide: s(slide),
            offset: s(offset),
            lateness: s(60),
            idle_timeout: s(600),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        /// Against the definition, window by window.
        #[test]
        fn ends_are_those_of_the_windows_that_hold_the_time(
            slide in 1i64..40, times in 1i64..5, extra in 0i64..40, offset in 0i64..50,
            time in 0i64..500,
        ) {
            let size = slide * times + extra % slide;
            let period = period(size as u64, slide as u64, offset as u64);
            let starts = (-100..700).map(|k| k * slide + offset);
            let holding: Vec<i64> =
                starts.filter(|s| *s <= time && time < s + size).map(|s| s + size).collect();
            let (first, last) = period.ends(at(time));
            prop_assert_eq!((first, last), (at(holding[0]), at(holding[holding.len() - 1])));
            let all: Vec<_> = period.ends_between(at(time), None, at(10_000)).collect();
            prop_assert_eq!(all, holding.iter().map(|end| at(*end)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_window_closes_when_the_watermark_passes_its_end() {
        let mut cursor = PeriodCursor::resume(period(3600, 3600, 0), PeriodPlace::default());
        let now = at(1_000_000);
        cursor.note("a", Some(at(7_250)), now);
        assert_eq!(cursor.due(now, None), Some(at(3_600)));
        cursor.note("a", Some(at(7_260)), now);
        assert_eq!(cursor.due(now, None), Some(at(7_200)));
        assert!(!cursor.is_late(at(7_100)));
        cursor.close(at(7_200), now);
        assert!(cursor.is_late(at(7_199)) && cursor.is_over(at(7_199)));
        assert!(!cursor.is_late(at(7_200)));
        assert_eq!(cursor.due(now, None), None);
        // Nothing comes any more. What there is closes, and what is younger is not late.
        let idle = now.plus(Duration::from_secs(600));
        assert_eq!(cursor.deadline(Some(at(7_200)), now), Some(idle));
        assert_eq!(cursor.due(idle, None), Some(at(10_800)));
        // These rows are old, so nobody waits for others.
        assert_eq!(cursor.silence(at(2_000_000)), None);
    }

    #[test]
    fn a_row_from_the_future_closes_nothing() {
        let mut cursor = PeriodCursor::resume(period(3600, 3600, 0), PeriodPlace::default());
        cursor.note("a", Some(at(50_000)), at(8_000));
        assert_eq!(cursor.due(at(8_000), None), Some(at(7_200)));
    }

    #[test]
    fn the_slower_source_is_waited_for_until_it_is_idle() {
        let mut cursor = PeriodCursor::resume(period(3600, 3600, 0), PeriodPlace::default());
        cursor.expect(&["fast", "slow"], at(7_000));
        cursor.note("fast", Some(at(7_290)), at(7_300));
        // Nothing of the other yet.
        assert_eq!(cursor.due(at(7_300), None), None);
        assert_eq!(cursor.deadline(Some(at(0)), at(7_300)), Some(at(7_600)));
        assert_eq!(cursor.due(at(7_600), None), Some(at(7_200)));
        cursor.note("slow", Some(at(3_700)), at(7_610));
        cursor.note("fast", Some(at(7_605)), at(7_610));
        assert_eq!(cursor.due(at(7_610), None), Some(at(3_600)));
        cursor.close(at(3_600), at(7_610));
        // It stops again, and after a restart it is waited for again.
        cursor.note("fast", Some(at(8_205)), at(8_205));
        assert_eq!(cursor.due(at(8_205), None), None);
        assert_eq!(cursor.due(at(8_210), None), Some(at(7_200)));
        cursor.expect(&["slow", "fast"], at(8_220));
        assert_eq!(cursor.due(at(8_230), None), None);
        cursor.note("slow", Some(at(7_270)), at(8_240));
        assert_eq!(cursor.due(at(8_240), None), Some(at(7_200)));
        // The place of one that knew no sources.
        let place = PeriodPlace { youngest: Some(at(7_290)), ..PeriodPlace::default() };
        let mut cursor = PeriodCursor::resume(period(3600, 3600, 0), place);
        cursor.expect(&["only"], at(7_300));
        cursor.place.arrived = Some(at(7_300));
        assert_eq!(cursor.due(at(7_300), None), Some(at(7_200)));
    }

    #[test]
    fn silence_is_told_of_once_per_window_and_makes_nothing_late() {
        let mut cursor = PeriodCursor::resume(period(3600, 3600, 0), PeriodPlace::default());
        cursor.note("a", Some(at(7_300)), at(7_310));
        cursor.close(at(7_200), at(7_310));
        assert_eq!(cursor.deadline(Some(at(7_200)), at(7_910)), Some(at(10_800 + 60)));
        cursor.close(at(10_800), at(10_860));
        assert_eq!(cursor.silence(at(18_059)), None);
        assert_eq!(cursor.deadline(None, at(10_860)), Some(at(18_060)));
        assert_eq!(cursor.silence(at(18_060)), Some(at(14_400)));
        assert_eq!(cursor.silence(at(18_061)), None);
        assert!(!cursor.is_late(at(10_801)));
    }

    /// All rows without a time of their own: they close by the clock.
    #[test]
    fn rows_without_a_time_close_by_the_clock() {
        let mut cursor = PeriodCursor::resume(period(3600, 3600, 0), PeriodPlace::default());
        cursor.note("a", None, at(10_000));
        assert_eq!(cursor.due(at(10_100), Some(at(7_200))), None);
        let due_at = cursor.deadline(Some(at(7_200)), at(10_700)).unwrap();
        assert_eq!((due_at, cursor.due(due_at, Some(at(7_200)))), (at(10_860), Some(at(10_800))));
    }

    #[test]
    fn panes_divide_all_windows() {
        let periods = [period(86_400, 300, 0), period(7 * 86_400, 86_400, 4 * 86_400)];
        assert_eq!(Period::pane_width(periods.iter()), Some(300_000_000));
        assert_eq!(Period::pane_width(std::iter::empty()), None);
    }
}
