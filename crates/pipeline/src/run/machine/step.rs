//! The turn of one node: carries it out, or chooses what it will be.

use super::super::fault::{self, Fault};
use super::super::frame::{Known, Slot};
use super::super::operate::{arm, operate, wrap_error, wrap_ok};
use super::super::program::{GuardInstr, Instr, Step};
use super::super::value::Value;
use super::Machine;
use crate::plan::{OnError, StdFn};

/// Bytes that an operation reads or writes in one unit of fuel.
const BYTES_PER_UNIT: usize = 256;

impl<'p> Machine<'p> {
    /// Takes a turn of a node whose operands are known.
    pub(super) fn step(&mut self, frame: u32, node: u32) {
        let step = &self.code(frame).steps[node as usize];
        match self.try_step(frame, node, step) {
            Ok(Some(value)) => self.complete(frame, node, value),
            Ok(None) => {}
            Err(fault) => self.fail_operation(frame, node, *fault),
        }
    }

    /// The value of a node, if it is known at once.
    fn try_step(&mut self, frame: u32, node: u32, step: &'p Step) -> Result<Option<Value>, Fault> {
        if let Slot::Chosen(chosen) = self.frames[frame as usize].cells[node as usize].slot {
            return match &step.instr {
                Instr::Guard(guard) => self.guard(frame, node, guard),
                _ => self.value(frame, chosen).cloned().map(Some),
            };
        }
        match &step.instr {
            Instr::Input(i) => Ok(self.inputs.get(*i as usize).cloned()),
            Instr::Param(i) => {
                self.frames[frame as usize].params.get(*i as usize).cloned().map(Some).ok_or_else(fault::malformed)
            }
            Instr::Capture(outer) => self.capture(frame, node, *outer),
            Instr::And(left, right) => match self.value(frame, *left)?.bool()? {
                true => self.choose(frame, node, *right),
                false => Ok(Some(Value::Bool(false))),
            },
            Instr::Or(left, right) => match self.value(frame, *left)?.bool()? {
                true => Ok(Some(Value::Bool(true))),
                false => self.choose(frame, node, *right),
            },
            Instr::If { condition, then, otherwise } => {
                let chosen = if self.value(frame, *condition)?.bool()? { then } else { otherwise };
                self.choose(frame, node, *chosen)
            }
            Instr::When { value, condition } => match self.value(frame, *condition)?.bool()? {
                true => self.choose(frame, node, *value),
                false => Ok(Some(Value::Nil)),
            },
            Instr::Coalesce { value, default } => match self.value(frame, *value)? {
                Value::Nil => self.choose(frame, node, *default),
                value => Ok(Some(value.clone())),
            },
            Instr::Match { subject, arms } => {
                let subject = self.value(frame, *subject)?;
                let chosen = arm(arms, subject)?;
                self.choose(frame, node, chosen)
            }
            Instr::Guard(guard) => self.guard(frame, node, guard),
            Instr::Each(each) => self.begin_each(frame, node, each),
            Instr::Call(call) => {
                self.begin_call(frame, node, call)?;
                Ok(None)
            }
            instr => self.operate(frame, instr, &step.operands).map(Some),
        }
    }

    fn operate(&mut self, frame: u32, instr: &Instr, operands: &[u32]) -> Result<Value, Fault> {
        let cells = &self.frames[frame as usize].cells;
        let of = |node: u32| match &cells[node as usize].slot {
            Slot::Done(value) => Ok(value),
            _ => Err(fault::malformed()),
        };
        let value = operate(instr, of, self.options.value_bytes)?;
        let mut bytes = value.size();
        for &operand in operands {
            bytes += of(operand)?.size();
        }
        self.fuel -= (bytes / BYTES_PER_UNIT) as i64;
        if let Instr::Std { function: StdFn::Log, .. } = instr {
            self.lines.push(value.str()?.to_owned());
        }
        Ok(value)
    }

    pub(super) fn value(&self, frame: u32, node: u32) -> Result<&Value, Fault> {
        self.frames[frame as usize].value(node).ok_or_else(fault::malformed)
    }

    /// Lets a node be what another is.
    fn choose(&mut self, frame: u32, node: u32, chosen: u32) -> Result<Option<Value>, Fault> {
        match self.demand(frame, chosen) {
            Known::Value => return self.value(frame, chosen).cloned().map(Some),
            Known::Failure => self.expose(frame, chosen),
            Known::Nothing => self.frames[frame as usize].cells[node as usize].slot = Slot::Chosen(chosen),
            Known::Over => {}
        }
        Ok(None)
    }

    /// The turn of a guard: what it guards is known or has failed, or its fallback is or has.
    fn guard(&mut self, frame: u32, node: u32, guard: &GuardInstr) -> Result<Option<Value>, Fault> {
        let wrap = |value: &Value| match guard.on_error {
            OnError::Wrap => wrap_ok(value, guard.optional),
            _ => value.clone(),
        };
        if let Some(value) = self.frames[frame as usize].value(guard.value) {
            return Ok(Some(wrap(value)));
        }
        let mut failed = guard.value;
        if let Some(fallback) = guard.fallback {
            failed = fallback;
            match self.demand(frame, fallback) {
                Known::Value => return Ok(Some(wrap(self.value(frame, fallback)?))),
                Known::Failure => {}
                Known::Nothing => {
                    self.frames[frame as usize].cells[node as usize].slot = Slot::Chosen(fallback);
                    return Ok(None);
                }
                Known::Over => return Ok(None),
            }
        }
        let Slot::Failed(failure) = &self.frames[frame as usize].cells[failed as usize].slot else {
            return Err(fault::malformed());
        };
        match &guard.on_error {
            OnError::Propagate => {
                let failure = (**failure).clone();
                self.fail(frame, node, failure);
                Ok(None)
            }
            OnError::Skip(_) => Ok(Some(guard.zero.clone())),
            OnError::Log(_) => {
                let (code, message) = (&failure.failure.code, &failure.failure.message);
                let line = format!("`{}` failed and its zero value stands in: `{code}`: {message}", guard.what);
                self.lines.push(line);
                Ok(Some(guard.zero.clone()))
            }
            OnError::Wrap => Ok(Some(wrap_error(&failure.failure))),
        }
    }

    /// What a node of the body around is; asks for it where it is not known.
    fn capture(&mut self, frame: u32, node: u32, outer: u32) -> Result<Option<Value>, Fault> {
        let home = self.frames[frame as usize].home.ok_or_else(fault::malformed)?;
        let around = self.eaches.get(home.each).ok_or_else(fault::malformed)?.owner.0;
        // What is there to be had is had; a failure that was caught there is one here, for nobody catches it for this lambda.
        self.frames[frame as usize].cells[node as usize].slot = Slot::Asked;
        match self.demand(around, outer) {
            Known::Value => return self.value(around, outer).cloned().map(Some),
            Known::Failure => self.expose(around, outer),
            Known::Nothing => {
                if let Some(each) = self.eaches.get_mut(home.each) {
                    each.asks.push((frame, node, outer));
                }
            }
            Known::Over => {}
        }
        Ok(None)
    }
}
