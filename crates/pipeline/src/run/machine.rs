//! The state of a run: who needs what, what is known, whose turn it is. Knows no clock, awaits nothing and calls nobody: calls leave as
//! [`Start`]s and come back through [`Machine::answer`].
//!
//! A node that is needed needs its operands, and its turn comes when those that it always needs are known; an arm is needed once it is chosen. What is known goes to those who wait for it, and
//! is dropped when nobody can use it any more. Everything is linear in nodes and edges, nothing recurses but by the nesting of lambdas.

mod calls;
mod lambdas;
mod step;

use std::collections::VecDeque;

use bytes::Bytes;

use self::calls::Live;
pub(super) use self::calls::Start;
use super::each::EachRun;
use super::fault::{self, Fault};
use super::frame::{Frame, Known, Slot};
use super::program::{Code, Instr, Program};
use super::record;
use super::slab::Slab;
use super::value::Value;
use super::{Failure, Options, RunFailure};
use crate::diagnostic::Span;

/// A run in progress.
#[derive(Debug)]
pub(super) struct Machine<'p> {
    program: &'p Program,
    options: &'p Options,
    inputs: Vec<Value>,
    /// The root first.
    frames: Vec<Frame>,
    /// Frames that ended, by their code.
    idle: Vec<Vec<u32>>,
    eaches: Slab<EachRun<'p>>,
    calls: Slab<Live>,
    ready: VecDeque<Work>,
    /// Calls that begin.
    pub(super) starts: Vec<Start<'p>>,
    /// Calls that were given up.
    pub(super) cancelled: Vec<u32>,
    /// Lines for the log.
    pub(super) lines: Vec<String>,
    /// Output nodes that are not known yet.
    wanted: usize,
    failed: Option<RunFailure>,
    /// Calls so far.
    numbers: u64,
    /// Lambdas so far.
    serials: u32,
    /// What is left of the present turn.
    fuel: i64,
    /// Elements in progress.
    elements: usize,
    scratch: Vec<u32>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// A node of a frame, unless the frame has ended.
    Node { frame: u32, serial: u32, node: u32 },
    /// A lambda may begin elements, unless it has ended.
    Begin { each: u32, serial: u32 },
}

impl<'p> Machine<'p> {
    /// A run that needs all outputs. `inputs` is a record of the plan's inputs, as canonical bytes.
    pub(super) fn new(program: &'p Program, options: &'p Options, inputs: &Bytes) -> Self {
        let mut machine = Self {
            program,
            options,
            inputs: Vec::new(),
            frames: Vec::new(),
            idle: vec![Vec::new(); program.codes()],
            eaches: Slab::new(),
            calls: Slab::new(),
            ready: VecDeque::new(),
            starts: Vec::new(),
            cancelled: Vec::new(),
            lines: Vec::new(),
            wanted: 0,
            failed: None,
            numbers: 0,
            serials: 0,
            fuel: 0,
            elements: 0,
            scratch: Vec::new(),
        };
        let root = machine.take_frame(0);
        machine.wanted = machine.code(root).steps.iter().filter(|step| step.output).count();
        match machine.read_inputs(inputs) {
            Ok(values) => machine.inputs = values,
            Err(fault) => machine.failed = Some(RunFailure { failure: *fault, site: None, module: None, span: None }),
        }
        for output in &program.plan().outputs {
            machine.demand(root, output.node.0);
        }
        machine
    }

    /// Works until there is nothing to do, or `fuel` is used up: one unit is about 100 ns.
    pub(super) fn turn(&mut self, fuel: &mut i64) {
        self.fuel = *fuel;
        while self.fuel > 0 && !self.is_over() {
            let Some(work) = self.ready.pop_front() else { break };
            self.fuel -= 1;
            match work {
                Work::Node { frame, serial, node } => {
                    if self.frames[frame as usize].serial == serial {
                        self.step(frame, node);
                    }
                }
                Work::Begin { each, serial } => self.begin_elements(each, serial),
            }
        }
        *fuel = self.fuel;
    }

    /// Whether all outputs are known, or the run has failed.
    pub(super) fn is_over(&self) -> bool {
        self.wanted == 0 || self.failed.is_some()
    }

    /// Whether somebody's turn has come.
    pub(super) fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Ends the run because nothing can go on, which no sound plan comes to.
    pub(super) fn stall(&mut self) {
        let failure = *fault::malformed();
        self.failed.get_or_insert(RunFailure { failure, site: None, module: None, span: None });
    }

    /// Why the run failed.
    pub(super) fn take_failure(&mut self) -> Option<RunFailure> {
        self.failed.take()
    }

    /// The outputs that are known, by their positions.
    pub(super) fn outputs(&self) -> impl Iterator<Item = Option<&Value>> {
        self.program.plan().outputs.iter().map(|output| self.frames[0].value(output.node.0))
    }

    fn read_inputs(&self, inputs: &Bytes) -> Result<Vec<Value>, Fault> {
        let record = Value::new(inputs.clone())?;
        let declared = &self.program.plan().inputs;
        let mut order: Vec<usize> = (0..declared.len()).collect();
        order.sort_by_key(|&i| &declared[i].name);
        let names = order.iter().map(|&i| declared[i].name.as_bytes());
        let mut values = vec![Value::Nil; declared.len()];
        record::fields(&record, names, |at, value| values[order[at]] = value)?;
        Ok(values)
    }

    /// A new frame of that code, nothing of it needed yet.
    fn take_frame(&mut self, code: u32) -> u32 {
        let frame = self.idle[code as usize].pop().unwrap_or_else(|| {
            self.frames.push(Frame::new(code));
            u32::try_from(self.frames.len() - 1).expect("fewer than 2^32 elements at once")
        });
        self.frames[frame as usize].reset(self.program.code(code));
        frame
    }

    fn code(&self, frame: u32) -> &'p Code {
        self.program.code(self.frames[frame as usize].code)
    }

    fn span(&self, frame: u32, node: u32) -> Span {
        self.code(frame).steps[node as usize].span
    }

    fn enqueue(&mut self, frame: u32, node: u32) {
        let serial = self.frames[frame as usize].serial;
        self.ready.push_back(Work::Node { frame, serial, node });
    }

    /// Says that a node is needed, and with it all that it certainly needs; tells what there is to be had of it.
    fn demand(&mut self, frame: u32, node: u32) -> Known {
        let code = self.code(frame);
        let Frame { cells, serial, .. } = &mut self.frames[frame as usize];
        if !matches!(cells[node as usize].slot, Slot::Idle) {
            return self.known(frame, node);
        }
        let mut exposed = None;
        let mut stack = std::mem::take(&mut self.scratch);
        cells[node as usize].slot = Slot::Waiting(0);
        stack.push(node);
        while let Some(node) = stack.pop() {
            let step = &code.steps[node as usize];
            for &early in &step.early {
                let slot = &mut cells[early as usize].slot;
                if matches!(slot, Slot::Idle) {
                    *slot = Slot::Waiting(0);
                    stack.push(early);
                }
            }
            let mut missing = 0;
            for &need in &step.needs {
                let slot = &mut cells[need as usize].slot;
                match slot {
                    Slot::Done(_) => {}
                    Slot::Failed(_) => {
                        if !step.catches(need) {
                            exposed = Some(need);
                        }
                    }
                    Slot::Idle => {
                        *slot = Slot::Waiting(0);
                        stack.push(need);
                        missing += 1;
                    }
                    _ => missing += 1,
                }
            }
            cells[node as usize].slot = Slot::Waiting(missing);
            if missing == 0 {
                self.ready.push_back(Work::Node { frame, serial: *serial, node });
            }
        }
        self.scratch = stack;
        match exposed {
            Some(failed) => {
                self.expose(frame, failed);
                Known::Over
            }
            None => Known::Nothing,
        }
    }

    /// Takes the value of a node, and tells those who wait for it.
    fn complete(&mut self, frame: u32, node: u32, value: Value) {
        let code = self.code(frame);
        let step = &code.steps[node as usize];
        let cell = &mut self.frames[frame as usize].cells[node as usize];
        cell.slot = if cell.left == 0 { Slot::Gone } else { Slot::Done(value) };
        for user in &step.users {
            match &mut self.frames[frame as usize].cells[user.node as usize].slot {
                Slot::Waiting(missing) if user.always => {
                    *missing -= 1;
                    if *missing == 0 {
                        self.enqueue(frame, user.node);
                    }
                }
                Slot::Chosen(chosen) if *chosen == node => self.enqueue(frame, user.node),
                Slot::Each(each) => {
                    let each = *each;
                    self.answer_asks(each, node);
                }
                _ => {}
            }
        }
        self.release(frame, &step.operands);
        if step.output {
            self.wanted -= 1;
        }
        if code.result == Some(node) {
            self.element_ended(frame, node);
        }
    }

    /// Says that each of these nodes is used once less. What cannot be used any more is dropped, with all that only it would have needed.
    fn release(&mut self, frame: u32, nodes: &[u32]) {
        let code = self.code(frame);
        let cells = &mut self.frames[frame as usize].cells;
        let mut stack = std::mem::take(&mut self.scratch);
        stack.extend_from_slice(nodes);
        while let Some(node) = stack.pop() {
            let cell = &mut cells[node as usize];
            cell.left = cell.left.saturating_sub(1);
            if cell.left > 0 {
                continue;
            }
            match cell.slot {
                Slot::Done(_) | Slot::Failed(_) => cell.slot = Slot::Gone,
                Slot::Idle => {
                    cell.slot = Slot::Gone;
                    stack.extend_from_slice(&code.steps[node as usize].operands);
                }
                _ => {}
            }
        }
        self.scratch = stack;
    }

    /// Takes the failure of a node. A guard that waits for that very node catches it; if anybody else needs the node, its frame fails.
    fn fail(&mut self, frame: u32, node: u32, failure: RunFailure) {
        let code = self.code(frame);
        let step = &code.steps[node as usize];
        let (mut caught, mut exposed) = (false, step.output || code.result == Some(node));
        let mut guards = Vec::new();
        for user in &step.users {
            let guards_it = code.steps[user.node as usize].catches(node);
            match &mut self.frames[frame as usize].cells[user.node as usize].slot {
                Slot::Waiting(missing) if user.always && guards_it => {
                    *missing -= 1;
                    caught = true;
                    if *missing == 0 {
                        guards.push(user.node);
                    }
                }
                Slot::Waiting(_) if user.always => exposed = true,
                Slot::Chosen(chosen) if *chosen == node => {
                    if guards_it {
                        caught = true;
                        guards.push(user.node);
                    } else {
                        exposed = true;
                    }
                }
                Slot::Each(each) => {
                    exposed |= self.eaches.get(*each).is_some_and(|each| each.asks.iter().any(|ask| ask.2 == node));
                }
                _ => {}
            }
        }
        // Begun early and not waited for yet: it is certain that somebody will.
        if exposed || !caught {
            return self.fail_frame(frame, failure);
        }
        self.frames[frame as usize].cells[node as usize].slot = Slot::Failed(Box::new(failure));
        for guard in guards {
            self.enqueue(frame, guard);
        }
        self.release(frame, &step.operands);
    }

    /// Lets a failure that somebody caught be that of the frame, because somebody else needs the node.
    fn expose(&mut self, frame: u32, node: u32) {
        if let Slot::Failed(failure) = &self.frames[frame as usize].cells[node as usize].slot {
            let failure = (**failure).clone();
            self.fail_frame(frame, failure);
        }
    }

    /// Takes the failure of a frame: that of the run, or of the lambda whose element it is.
    fn fail_frame(&mut self, frame: u32, failure: RunFailure) {
        let home = self.frames[frame as usize].home;
        match home.and_then(|home| Some((home.each, self.eaches.get(home.each)?.owner))) {
            None => {
                self.failed.get_or_insert(failure);
            }
            Some((each, (frame, node))) => {
                self.drop_each(each);
                self.fail(frame, node, failure);
            }
        }
    }

    /// What a failed operation comes to.
    fn fail_operation(&mut self, frame: u32, node: u32, failure: Failure) {
        let span = Some(self.span(frame, node));
        self.fail(frame, node, RunFailure { failure, site: None, module: None, span });
    }

    fn known(&self, frame: u32, node: u32) -> Known {
        self.frames[frame as usize].known(node)
    }
}

impl super::program::Step {
    /// Whether this is a guard that catches the failure of that node.
    fn catches(&self, node: u32) -> bool {
        match &self.instr {
            Instr::Guard(guard) => guard.value == node || guard.fallback == Some(node),
            _ => false,
        }
    }
}
