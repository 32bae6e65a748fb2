//! The figures in the README: measured in Chromium by `tests/browser/figures.mjs`.

use anyhow::Result;

use crate::shell::{command, run, timed};
use crate::{tools, web};

/// Measures the optimised page, which it builds where it is to; writes `benches/results/figures.json` and the README's table.
///
/// # Errors
/// If the page cannot be built or a measurement fails.
pub(crate) fn measure(build: bool) -> Result<()> {
    if build {
        web::dist()?;
    }
    let chromium = tools::for_browser()?;
    timed("Measuring sizes and times", "3 minutes; leave the machine alone meanwhile", || {
        run(command("node").arg("tests/browser/figures.mjs").env("CHROMIUM", chromium))
    })?;
    Ok(())
}
