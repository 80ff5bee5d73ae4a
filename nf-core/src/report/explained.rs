//! One session with its explanation, as a piece of HTML for notebooks and pages of others.

use super::card::reasons;
use crate::{detector::Explanation, page::escape, session::Session};
use std::fmt::Write;

/// What the piece needs of the page's style, for its own elements alone.
const STYLE: &str = "\
.nf-explained { --ink: #1d2329; --soft: #5c6670; --line: #dcdfe2; --ours: #0b6e99;
  --h0: #dfe2e5; --h1: #f3c9a5; --h2: #ea9a5c; --h3: #d9652c; --h4: #b3273a;
  background: #fff; color: var(--ink); padding: .4rem .6rem; max-width: 66rem; font: 14px system-ui, sans-serif; }
.nf-explained table { border-collapse: collapse; margin: .4rem 0; }
.nf-explained caption { text-align: left; color: var(--soft); }
.nf-explained th, .nf-explained td { padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); text-align: right; }
.nf-explained .text { text-align: left; }
.nf-explained svg { width: 100%; } .nf-explained svg text { fill: var(--soft); font-size: 11px; }
.nf-explained .grid { stroke: var(--line); fill: none; } .nf-explained .plain { fill: var(--ours); opacity: .7; }
.nf-explained .h0 { fill: var(--h0); } .nf-explained .h1 { fill: var(--h1); } .nf-explained .h2 { fill: var(--h2); }
.nf-explained .h3 { fill: var(--h3); } .nf-explained .h4 { fill: var(--h4); }
";

/// A session, its packets as a strip and the reasons of its verdict, as an element that brings its own style.
///
/// ```no_run
/// # fn main() -> nf_core::Result<()> {
/// # let (detector, sessions) = (nf_core::Detector::load("office.nf")?, nf_core::Sessions::default());
/// let explanation = detector.explain(&sessions[0])?;
/// let html = nf_core::report::explained(&sessions[0], &explanation);
/// assert!(html.starts_with("<div class=\"nf-explained\">"));
/// # Ok(()) }
/// ```
pub fn explained(session: &Session, explanation: &Explanation) -> String {
    let mut html = format!("<div class=\"nf-explained\">\n<style>\n{STYLE}</style>\n");
    let verdict = escape(&explanation.verdict.to_string());
    let _ = writeln!(html, "<p><b>{}</b></p>\n<p>{verdict}</p>", escape(&session.to_string()));
    html += &reasons(session, explanation);
    html + "</div>"
}
