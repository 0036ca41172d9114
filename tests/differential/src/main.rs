//! Draws types and values, asks the codec of every language about each, and fails where two disagree. Tests no process but the
//! codecs' own; how they are started is said by whoever runs it (`cargo xtask fuzz codec`).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to the one who runs it")]

mod chance;
mod draw;
mod forms;
mod panel;
mod peer;
mod question;
mod shrink;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use type_schema::CType;

use crate::chance::Chance;
use crate::panel::{Disagreement, Panel};
use crate::peer::{Group, Peer};
use crate::question::Question;

/// Values of one type: compiling a type costs more than a value of it.
const VALUES_PER_TYPE: u64 = 20;
/// Groups that are asked about in one message.
const BATCH: u64 = 25;

#[derive(Parser)]
#[command(about = "Asks the codecs of all languages about drawn types and values", disable_version_flag = true)]
struct Arguments {
    /// How many values are drawn.
    #[arg(long, default_value_t = 100_000)]
    values: u64,
    /// What decides the draw.
    #[arg(long)]
    seed: u64,
    /// Draw this group alone.
    #[arg(long)]
    group: Option<u64>,
    /// Threads, each with a process of every language.
    #[arg(long)]
    jobs: Option<usize>,
    /// Disagreements to show before it stops.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// A codec: its name, the program, and arguments, e.g. `python=python3,peer.py`.
    #[arg(long = "peer", required = true)]
    peers: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is drawn and asked by all threads.
struct Run<'a> {
    arguments: &'a Arguments,
    groups: u64,
    next: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Vec<(u64, Disagreement)>>,
}

fn run(arguments: &Arguments) -> Result<bool> {
    let started = Instant::now();
    let groups = arguments.values.div_ceil(VALUES_PER_TYPE);
    let (first, groups) = arguments.group.map_or((0, groups), |group| (group, group + 1));
    let run = Run {
        arguments,
        groups,
        next: AtomicU64::new(first),
        stop: AtomicBool::new(false),
        found: Mutex::new(Vec::new()),
    };
    let jobs = arguments.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    println!("seed {}", arguments.seed);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(|| work(&run))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    let mut found = run.found.into_inner().expect("no holder panics");
    found.sort_by_key(|(group, _)| *group);
    for (group, disagreement) in &found {
        show(arguments.seed, *group, disagreement);
    }
    let peers = arguments.peers.len();
    let seconds = started.elapsed().as_secs_f64();
    if found.is_empty() {
        let values = (groups - first) * VALUES_PER_TYPE;
        println!("{values} values, {} directions, no disagreement, {seconds:.1} s", peers * peers);
    }
    Ok(found.is_empty())
}

fn work(run: &Run<'_>) -> Result<()> {
    let done = ask(run);
    if done.is_err() {
        run.stop.store(true, Ordering::Relaxed);
    }
    done
}

fn ask(run: &Run<'_>) -> Result<()> {
    let peers = run.arguments.peers.iter().map(|peer| start(peer)).collect::<Result<Vec<_>>>()?;
    let mut panel = Panel(peers);
    while !run.stop.load(Ordering::Relaxed) {
        let first = run.next.fetch_add(BATCH, Ordering::Relaxed);
        if first >= run.groups {
            break;
        }
        let numbers = first..(first + BATCH).min(run.groups);
        let groups: Vec<Group> = numbers.flat_map(|number| draw_groups(run.arguments.seed, number)).collect();
        let at = || format!("in the groups from {first} of seed {}", run.arguments.seed);
        let disagreements = panel.disagreements(&groups).with_context(at)?;
        // One of a batch: others of it are mostly the same fault.
        for disagreement in disagreements.into_iter().take(1) {
            let group = first + disagreement.group as u64 / 2;
            if run.stop.load(Ordering::Relaxed) {
                break;
            }
            let small = shrink::shrink(&mut panel, disagreement).with_context(at)?;
            let mut found = run.found.lock().expect("no holder panics");
            if !found.iter().any(|(_, known)| known.ctype == small.ctype && known.question == small.question) {
                found.push((group, small));
            }
            if found.len() >= run.arguments.failures {
                run.stop.store(true, Ordering::Relaxed);
            }
        }
    }
    Ok(())
}

fn start(peer: &str) -> Result<Peer> {
    let (name, command) = peer.split_once('=').with_context(|| format!("`{peer}` is no NAME=PROGRAM"))?;
    let mut words = command.split(',').map(str::to_owned);
    let program = words.next().context("a program is missing")?;
    ensure!(!program.is_empty(), "the program of {name} is missing");
    Peer::start(name, &program, &words.collect::<Vec<_>>())
}

/// A type with questions, and a broken one: of each value its canonical bytes, another legal form, often broken bytes, often its JSON.
fn draw_groups(seed: u64, number: u64) -> [Group; 2] {
    let mut chance = Chance::of_group(seed, number);
    let ctype = draw::ctype(&mut chance);
    let text = ctype.to_string();
    let broken = forms::broken_type(&mut chance, &text);
    let questions = (0..VALUES_PER_TYPE).flat_map(|_| draw_questions(&mut chance, &ctype)).collect();
    [Group { ctype: text, questions }, Group { ctype: broken, questions: Vec::new() }]
}

fn draw_questions(chance: &mut Chance, ctype: &CType) -> Vec<Question> {
    let value = draw::value(chance, ctype);
    let canonical = type_schema::encode(&value, ctype).expect("a drawn value is of its type");
    let legal = forms::legal(chance, ctype, &value);
    let mut questions = vec![Question::Decode(legal.clone())];
    if chance.once_in(2) {
        let sound = if chance.once_in(2) { &canonical } else { &legal };
        questions.push(Question::Decode(forms::broken(chance, sound)));
    }
    // JSON costs as much as all the rest.
    if chance.once_in(3) {
        questions.push(Question::Read(type_schema::to_json(&value, ctype).to_string()));
        questions.push(Question::DecodeToJson(canonical));
    } else {
        questions.push(Question::Decode(canonical));
    }
    questions
}

fn show(seed: u64, group: u64, found: &Disagreement) {
    println!("\ndisagreement in group {group}; again with `--seed {seed} --group {group}`");
    println!("  type  {}", found.ctype);
    if let Some(question) = &found.question {
        println!("  {question}");
    }
    let width = found.answers.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, answer) in &found.answers {
        println!("  {name:width$}  {answer}");
    }
    if let Some(case) = shrink::vector(found) {
        println!("  as a case of tests/vectors, if the host is right: {case}");
    }
}
