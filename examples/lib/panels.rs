//! Small charts side by side as one SVG file, in light and dark.

use std::fmt::Write;

/// A chart: its curves, each with a name and a value above 0 for each of 1, 2, ..
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What stands above it.
    pub title: String,
    /// The curves; those of one place have one colour in all panels.
    pub curves: Vec<(String, Vec<f64>)>,
}

const STYLE: &str = "\
svg { --card: #ffffff; --ink: #1d2329; --soft: #5c6670; --line: #dcdfe2; --s0: #0b6e99; --s1: #d98a00; --s2: #009e73; --s3: #b3569a; }
@media (prefers-color-scheme: dark) {
  svg { --card: #14181c; --ink: #e4e8ec; --soft: #9aa4ae; --line: #2f363d; --s0: #58b4e0; --s1: #e8b04a; --s2: #3fbf97; --s3: #dd9cc0; }
}
.card { fill: var(--card); }
text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.name { fill: var(--ink); font-size: 13px; }
.grid { stroke: var(--line); fill: none; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
";
const COLOURS: usize = 4;

/// Pixels of a panel, and around its plot: left, top, right, bottom.
const SIZE: [f64; 2] = [430.0, 240.0];
const MARGIN: [f64; 4] = [56.0, 30.0, 14.0, 40.0];

/// Two panels a row, with one scale for all: a value by its logarithm, upwards.
pub fn panels(x: &str, y: &str, panels: &[Panel]) -> String {
    let curves = || panels.iter().flat_map(|panel| &panel.curves);
    let values = || curves().flat_map(|(_, values)| values.iter().copied()).filter(|value| *value > 0.0);
    let last = curves().map(|(_, values)| values.len()).max().unwrap_or(1).max(2);
    let ticks = ticks(values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let names = panels.iter().max_by_key(|panel| panel.curves.len()).map_or(&[][..], |panel| &panel.curves);
    let (width, height) = (2.0 * SIZE[0], SIZE[1] * panels.len().div_ceil(2) as f64 + 24.0);
    let mut svg =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\">\n");
    let _ = writeln!(svg, "<style>\n{STYLE}</style>\n<rect class=\"card\" width=\"{width}\" height=\"{height}\"/>");
    for (place, panel) in panels.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<g transform=\"translate({} {})\">",
            SIZE[0] * (place % 2) as f64,
            SIZE[1] * (place / 2) as f64
        );
        draw(&mut svg, panel, last, &ticks, [x, y]);
        svg.push_str("</g>\n");
    }
    for (place, (name, _)) in names.iter().enumerate() {
        let (left, line) = (MARGIN[0] + 110.0 * place as f64, height - 14.0);
        let _ = writeln!(svg, "<path class=\"curve s{}\" d=\"M{left} {line}h18\"/>", place % COLOURS);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">{}</text>", left + 24.0, line + 4.0, escape(name));
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, panel: &Panel, last: usize, ticks: &[f64], titles: [&str; 2]) {
    let ([left, top, right, bottom], [width, height]) = (MARGIN, SIZE);
    let (wall, floor) = (width - right, height - bottom);
    let (low, high) = (ticks[0].ln(), ticks[ticks.len() - 1].ln());
    let at_x = |step: usize| left + (wall - left) * (step - 1) as f64 / (last - 1) as f64;
    let at_y = |value: f64| floor - (floor - top) * (value.ln() - low) / (high - low);
    let _ = writeln!(svg, "<text class=\"name\" x=\"{left}\" y=\"{}\">{}</text>", top - 10.0, escape(&panel.title));
    for tick in ticks {
        let y = at_y(*tick);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{left} {y:.1}H{wall}\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>", left - 6.0, y + 4.0);
    }
    for step in (1..=last).step_by(last.div_ceil(12)) {
        let x = at_x(step);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{step}</text>", floor + 15.0);
    }
    let middle = [(left + wall) / 2.0, (top + floor) / 2.0];
    let [x, y] = titles.map(escape);
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{x}</text>", middle[0], floor + 31.0);
    let place = format!("translate(14 {}) rotate(-90)", middle[1]);
    let _ = writeln!(svg, "<text transform=\"{place}\" text-anchor=\"middle\">{y}</text>");
    for (place, (_, values)) in panel.curves.iter().enumerate() {
        let points = values.iter().enumerate().filter(|(_, value)| **value > 0.0);
        let points: Vec<String> = points.map(|(i, value)| format!("{:.1} {:.1}", at_x(i + 1), at_y(*value))).collect();
        let _ = writeln!(svg, "<path class=\"curve s{}\" d=\"M{}\"/>", place % COLOURS, points.join("L"));
    }
}

/// 1, 2 and 5 in each decade, from the last at or below `least` to the first at or above `most`.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let (least, most) = if least <= most { (least, most) } else { (1.0, 1.0) };
    let steps: Vec<f64> = (-12..12)
        .flat_map(|decade| [1, 2, 5].map(|n| format!("{n}e{decade}")))
        .filter_map(|text| text.parse().ok())
        .collect();
    let first = steps.partition_point(|step| *step <= least).saturating_sub(1);
    let last = steps.partition_point(|step| *step < most).min(steps.len() - 1).max(first + 1);
    steps[first..=last].to_vec()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_hold_the_values() {
        assert_eq!(ticks(0.03, 0.9), [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]);
        assert_eq!(ticks(1.0, 1.0), [1.0, 2.0]);
        assert_eq!(ticks(f64::INFINITY, 0.0), [1.0, 2.0]);
    }

    #[test]
    fn curves_stand_where_their_values_are() {
        let curve = |values: &[f64]| ("<a>".to_owned(), values.to_vec());
        let panel = Panel { title: "a & b".to_owned(), curves: vec![curve(&[1.0, 0.1]), curve(&[0.1])] };
        let svg = panels("x", "y", &[panel]);
        assert!(svg.contains("<path class=\"curve s0\" d=\"M56.0 30.0L416.0 200.0\"/>"), "{svg}");
        assert!(svg.contains("<path class=\"curve s1\" d=\"M56.0 200.0\"/>"), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;a&gt;") && !svg.contains("<a>"));
    }
}
