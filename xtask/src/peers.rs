//! Cloze beside onnxruntime-web: `benches/peers` exports the models and measures, in one Chromium.

use std::ffi::OsString;

use anyhow::Result;

use crate::shell::{command, run, timed};
use crate::{tools, web};

/// What of it is to be done.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Only these shapes of `benches/peers/shapes.json`, or `growth`; all of them if none is named.
    pub only: Vec<OsString>,
    /// Only cold starts: the other figures stay.
    pub cold: bool,
    /// Only warm runs on the CPU: the other figures stay.
    pub cpu: bool,
    /// Only GPT's decoding, which takes an hour and a half where the GPU is software: the other figures stay.
    pub decoding: bool,
    /// One run of everything: to see that all works, not how fast.
    pub quick: bool,
    /// Write the table and the plots anew from the figures that are there.
    pub report: bool,
}

/// Measures Cloze and its peer; writes `benches/results/peers.*`, `growth.svg` and the README's table. A part of it, or a
/// quick look, goes to `target/peers/results`.
///
/// # Errors
/// If something is missing and cannot be installed, the page cannot be built, or a measurement fails.
pub(crate) fn measure(options: &Options, build: bool) -> Result<()> {
    let only = options.only.iter().flat_map(|shape| ["--only".into(), shape.clone()]);
    let only: Vec<OsString> = only.collect();
    let mut bench = command("node");
    bench.arg("benches/peers/bench.mjs").args(&only);
    if options.report {
        tools::for_browser()?;
        return run(bench.arg("--report").args(options.quick.then_some("--quick")));
    }
    if build {
        web::dist()?;
    }
    let (chromium, python) = tools::for_peers()?;
    timed("Making checkpoints and their exports", "4 minutes the first time, 5 GB in target/peers", || {
        run(command(&python.to_string_lossy()).args(["benches/peers/export.py", "target/peers"]).args(&only))
    })?;
    let usually = if options.quick { "30 minutes" } else { "2 hours where the GPU is software" };
    timed("Measuring Cloze and its peer", &format!("{usually}; leave the machine alone meanwhile"), || {
        bench.args(options.quick.then_some("--quick"));
        bench.args(options.cold.then_some("--cold")).args(options.cpu.then_some("--cpu"));
        bench.args(options.decoding.then_some("--decoding"));
        run(bench.env("CHROMIUM", chromium))
    })?;
    Ok(())
}
