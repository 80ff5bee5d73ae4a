//! A chart as SVG inside a page: axes, lines, dots, bars, with colours by the page's style classes.

use super::escape;
use std::fmt::Write;

/// Pixels around the plot: left, top, right, bottom.
const MARGIN: [f64; 4] = [52.0, 14.0, 24.0, 40.0];
/// Pixels of a lane of bars with words above the plot.
const LANE: f64 = 13.0;
/// About how wide a letter in a lane is, in pixels.
const LETTER: f64 = 5.4;

/// One axis: which values it spans, and where its ticks stand.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
    title: String,
}

impl Axis {
    /// An axis from `low` to `high` with about `ticks` ticks at round values.
    pub(crate) fn linear(low: f64, high: f64, ticks: usize, title: &str) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let raw = (high - low) / ticks.max(1) as f64;
        let magnitude = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * magnitude).find(|step| *step >= raw * 0.999);
        let step = step.unwrap_or(raw);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let first = (low / step).ceil() as i64;
        let values = (first..).map(|i| i as f64 * step).take_while(|value| *value <= high + step * 1e-6).take(100);
        let ticks = values.map(|value| (value, format!("{value:.decimals$}"))).collect();
        Self { low, high, log: false, ticks, title: title.to_owned() }
    }

    /// An axis of shares from `low` to 1 by decades.
    pub(crate) fn decades(low: f64, title: &str) -> Self {
        let count = (-low.log10()).round() as i32;
        let label =
            |share: f64| if share < 1e-3 { format!("{:.2} %", share * 100.0) } else { format!("{} %", share * 100.0) };
        let ticks = (0..=count).map(|i| 10f64.powi(i - count)).map(|share| (share, label(share))).collect();
        Self { low, high: 1.0, log: true, ticks, title: title.to_owned() }
    }

    /// Keeps the ticks without their numbers, for small charts side by side.
    pub(crate) fn sparse(mut self) -> Self {
        let last = self.ticks.len().saturating_sub(1);
        for (i, (_, label)) in self.ticks.iter_mut().enumerate() {
            if i != 0 && i != last && i * 2 != last {
                label.clear();
            }
        }
        self
    }

    /// Where a value stands, 0 to 1; values outside stand at the ends.
    fn place(&self, value: f64) -> f64 {
        let place = match self.log {
            true => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        place.clamp(0.0, 1.0)
    }
}

/// A chart while it is drawn.
#[derive(Debug)]
pub(crate) struct Chart {
    width: f64,
    height: f64,
    x: Axis,
    y: Axis,
    /// Until where each lane above the plot is taken, in pixels.
    lanes: Vec<f64>,
    body: String,
}

impl Chart {
    /// An empty chart of so many pixels.
    pub(crate) fn new(width: f64, height: f64, x: Axis, y: Axis) -> Self {
        Self { width, height, x, y, lanes: Vec::new(), body: String::new() }
    }

    /// The same with room for so many lanes of bars above the plot.
    pub(crate) fn with_lanes(mut self, lanes: usize) -> Self {
        self.lanes = vec![0.0; lanes];
        self.height += LANE * lanes as f64;
        self
    }

    /// The upper edge of the plot.
    fn top(&self) -> f64 {
        MARGIN[1] + LANE * self.lanes.len() as f64
    }

    pub(crate) fn x(&self, value: f64) -> f64 {
        let [left, _, right, _] = MARGIN;
        left + self.x.place(value) * (self.width - left - right)
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        let bottom = MARGIN[3];
        self.height - bottom - self.y.place(value) * (self.height - self.top() - bottom)
    }

    /// A line through some points.
    pub(crate) fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>, class: &str, title: &str) {
        let mut path = String::new();
        for (x, y) in points {
            let sign = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{sign}{:.1} {:.1}", self.x(x), self.y(y));
        }
        self.path(&path, class, title);
    }

    /// A dot at each point; those on one pixel are one.
    pub(crate) fn dots(&mut self, points: impl IntoIterator<Item = (f64, f64)>, class: &str, title: &str) {
        let mut places: Vec<(i64, i64)> =
            points.into_iter().map(|(x, y)| (self.x(x).round() as i64, self.y(y).round() as i64)).collect();
        places.sort_unstable();
        places.dedup();
        let path = places.iter().fold(String::new(), |mut path, (x, y)| {
            let _ = write!(path, "M{x} {y}h0");
            path
        });
        self.path(&path, class, title);
    }

    fn path(&mut self, path: &str, class: &str, title: &str) {
        if !path.is_empty() {
            let _ = writeln!(self.body, "<path class=\"{class}\" d=\"{path}\">{}</path>", tip(title));
        }
    }

    /// A bar from the x axis up to `y`.
    pub(crate) fn bar(&mut self, from: f64, to: f64, y: f64, class: &str, title: &str) {
        let (left, right, top, bottom) = (self.x(from), self.x(to), self.y(y), self.y(self.y.low));
        let (width, height) = ((right - left - 1.0).max(1.0), bottom - top);
        let _ = writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">{}</rect>",
            tip(title)
        );
    }

    /// A bar with words in the first lane above the plot that has room for both; in the last where none has.
    pub(crate) fn lane(&mut self, from: f64, to: f64, class: &str, words: &str, title: &str) {
        let (left, right) = (self.x(from), self.x(to));
        let width = (right - left).max(2.0);
        let Some(last) = self.lanes.len().checked_sub(1) else { return };
        let lane = self.lanes.iter().position(|taken| *taken < left).unwrap_or(last);
        self.lanes[lane] = left + width.max(words.chars().count() as f64 * LETTER + 6.0);
        let top = MARGIN[1] + LANE * lane as f64 - 6.0;
        let _ = writeln!(
            self.body,
            "<g class=\"{class}\"><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"11\" rx=\"2\"/>\
            <text class=\"lane\" x=\"{:.1}\" y=\"{:.1}\">{}</text>{}</g>",
            left + 3.0,
            top + 8.5,
            escape(words),
            tip(title)
        );
    }

    /// A level line across the plot with words at its right end.
    pub(crate) fn level(&mut self, y: f64, class: &str, words: &str) {
        let (from, to) = (self.x.low, self.x.high);
        self.line([(from, y), (to, y)], class, words);
        let (x, y) = (self.width - MARGIN[2] - 4.0, self.y(y) - 4.0);
        let words = escape(words);
        let _ =
            writeln!(self.body, "<text class=\"note\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{words}</text>");
    }

    /// An upright line, without words.
    pub(crate) fn upright(&mut self, x: f64, class: &str, title: &str) {
        let (low, high) = (self.y.low, self.y.high);
        self.line([(x, low), (x, high)], class, title);
    }

    /// The chart with its axes.
    pub(crate) fn finish(&self, label: &str) -> String {
        let ([left, _, right, bottom], top) = (MARGIN, self.top());
        let (width, height) = (self.width, self.height);
        let (floor, wall) = (height - bottom, width - right);
        let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n", escape(label));
        for (value, text) in &self.x.ticks {
            let x = self.x(*value);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {top}V{floor}\"/>");
            if !text.is_empty() {
                let y = floor + 15.0;
                let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>");
            }
        }
        for (value, text) in &self.y.ticks {
            let y = self.y(*value);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{left} {y:.1}H{wall}\"/>");
            let (x, y) = (left - 6.0, y + 3.5);
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{text}</text>");
        }
        let (middle, base) = ((left + wall) / 2.0, height - 6.0);
        let _ = writeln!(
            svg,
            "<text class=\"title\" x=\"{middle}\" y=\"{base}\" text-anchor=\"middle\">{}</text>",
            escape(&self.x.title)
        );
        let middle = (top + floor) / 2.0;
        let _ = writeln!(
            svg,
            "<text class=\"title\" transform=\"translate(12 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(&self.y.title)
        );
        svg.push_str(&self.body);
        svg.push_str("</svg>\n");
        svg
    }
}

/// What is shown where the pointer rests on a mark.
pub(crate) fn tip(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_at_round_values() {
        let labels = |axis: &Axis| axis.ticks.iter().map(|(_, label)| label.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&Axis::linear(0.0, 1.0, 5, "")), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Axis::linear(0.0, 543.0, 6, "")), ["0", "100", "200", "300", "400", "500"]);
        assert_eq!(labels(&Axis::linear(3.0, 3.0, 2, "")), ["3.0", "3.5", "4.0"]);
        assert_eq!(labels(&Axis::decades(1e-4, "")), ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]);
        assert_eq!(labels(&Axis::decades(1e-4, "").sparse()), ["0.01 %", "", "1 %", "", "100 %"]);
    }

    #[test]
    fn values_stand_where_the_axes_say() {
        let chart = Chart::new(176.0, 154.0, Axis::decades(1e-2, "x"), Axis::linear(0.0, 10.0, 2, "y"));
        assert_eq!([1e-2, 1e-1, 1.0, 0.0, 7.0].map(|x| chart.x(x).round()), [52.0, 102.0, 152.0, 52.0, 152.0]);
        assert_eq!([0.0, 5.0, 10.0, -3.0].map(|y| chart.y(y).round()), [114.0, 64.0, 14.0, 114.0]);
    }

    #[test]
    fn bars_take_the_first_lane_with_room_for_their_words() {
        let axes = || (Axis::linear(0.0, 100.0, 2, "x"), Axis::linear(0.0, 1.0, 2, "y"));
        let (x, y) = axes();
        let mut chart = Chart::new(1000.0, 200.0, x, y).with_lanes(2);
        let bottom = chart.y(0.0);
        assert_eq!((chart.y(1.0), bottom), (MARGIN[1] + 2.0 * LANE, 200.0 + 2.0 * LANE - MARGIN[3]));
        chart.lane(0.0, 1.0, "hit", "a long name", "");
        chart.lane(3.0, 4.0, "hit", "b", "");
        chart.lane(50.0, 60.0, "hit", "c", "");
        chart.lane(51.0, 60.0, "hit", "d", "");
        chart.lane(52.0, 60.0, "hit", "e", "");
        let tops: Vec<&str> =
            chart.body.split(" y=\"").skip(1).step_by(2).map(|s| s.split('"').next().unwrap()).collect();
        assert_eq!(tops, ["8.0", "21.0", "8.0", "21.0", "21.0"]);
    }

    #[test]
    fn names_from_files_cannot_leave_their_place() {
        let mut chart = Chart::new(300.0, 200.0, Axis::linear(0.0, 1.0, 2, "<x>"), Axis::linear(0.0, 1.0, 2, "y"));
        chart.line([(0.0, 0.0), (1.0, 1.0)], "a", "</title><script>\"'&\u{7}");
        chart.dots([(0.5, 0.5), (0.5001, 0.5)], "b", "");
        let svg = chart.finish("a \"chart\"");
        assert!(!svg.contains("<script>") && svg.contains("&lt;/title&gt;&lt;script&gt;&quot;&#39;&amp; "), "{svg}");
        assert_eq!(svg.matches("h0").count(), 1, "two dots on one pixel are one");
        assert!(svg.contains("aria-label=\"a &quot;chart&quot;\"") && svg.contains("&lt;x&gt;"));
    }
}
