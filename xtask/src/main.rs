//! `cargo xtask …`: the only commands a person needs. Each installs what it lacks and says what it is doing.

mod figures;
mod peers;
mod serve;
mod shell;
mod tests;
mod tools;
mod web;

use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;

const USAGE: &str = "\
Usage: cargo xtask <command>

  serve [--port 8080] [--no-open]  build the page where it is out of date and serve it on this machine
  test [step…]                     format, lint, native, web and browser tests; or only the steps that are named
  dist                             leave an optimised page in dist/, for any file server and any sub-path
  bench [figures|peers] [--no-build] [--quick] [--cold] [--cpu] [--decoding] [--only shape]… [--report]
                                   measure sizes and times, then Cloze beside onnxruntime-web; or only one of the two.
                                   Writes benches/results/ and README's tables. --no-build measures dist/ as it is.
                                   The rest is for the peers: everything once; only cold starts; only warm runs on the
                                   CPU; only GPT's tokens; only these shapes (or \"growth\"); the table and the plots anew
                                   from the figures that are there
  build                            build the page into dist/ without optimising its size
";

/// What is asked for.
enum Command {
    Serve { port: u16, open: bool },
    Test { steps: Vec<tests::Step> },
    Dist,
    Bench { part: Option<Part>, build: bool, peers: peers::Options },
    Build,
    Help,
}

/// A benchmark.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Figures,
    Peers,
}

fn main() -> ExitCode {
    match parse(lexopt::Parser::from_env()).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Serve { port, open } => {
            web::build_if_stale()?;
            serve::serve(port, open)
        }
        Command::Test { steps } => tests::run_all(&steps),
        Command::Dist => web::dist(),
        Command::Bench { part, build, peers } => {
            if part != Some(Part::Peers) {
                figures::measure(build)?;
            }
            if part != Some(Part::Figures) {
                peers::measure(&peers, build)?;
            }
            Ok(())
        }
        Command::Build => web::build(),
        Command::Help => {
            print!("{USAGE}");
            Ok(())
        }
    }
}

fn parse(mut args: lexopt::Parser) -> Result<Command> {
    let mut command = None;
    while let Some(arg) = args.next()? {
        match (arg, &mut command) {
            (Short('h') | Long("help"), _) => return Ok(Command::Help),
            (Value(name), None) => {
                command = Some(match name.string()?.as_str() {
                    "serve" => Command::Serve { port: 8080, open: true },
                    "test" => Command::Test { steps: Vec::new() },
                    "dist" => Command::Dist,
                    "bench" => Command::Bench { part: None, build: true, peers: peers::Options::default() },
                    "build" => Command::Build,
                    other => bail!("there is no command \"{other}\".\n\n{USAGE}"),
                });
            }
            (Long("port"), Some(Command::Serve { port, .. })) => *port = args.value()?.parse()?,
            (Long("no-open"), Some(Command::Serve { open, .. })) => *open = false,
            (Value(name), Some(Command::Bench { part: part @ None, .. })) => {
                *part = Some(match name.string()?.as_str() {
                    "figures" => Part::Figures,
                    "peers" => Part::Peers,
                    other => bail!("there is no benchmark \"{other}\"; there are figures and peers"),
                });
            }
            (Long("no-build"), Some(Command::Bench { build, .. })) => *build = false,
            (Long("quick"), Some(Command::Bench { peers, .. })) => peers.quick = true,
            (Long("cold"), Some(Command::Bench { peers, .. })) => peers.cold = true,
            (Long("cpu"), Some(Command::Bench { peers, .. })) => peers.cpu = true,
            (Long("decoding"), Some(Command::Bench { peers, .. })) => peers.decoding = true,
            (Long("report"), Some(Command::Bench { peers, .. })) => peers.report = true,
            (Long("only"), Some(Command::Bench { peers, .. })) => peers.only.push(args.value()?),
            (Value(step), Some(Command::Test { steps })) => steps.push(step.string()?.parse()?),
            (arg, _) => return Err(arg.unexpected().into()),
        }
    }
    Ok(command.unwrap_or(Command::Help))
}
