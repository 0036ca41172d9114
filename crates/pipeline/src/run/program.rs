//! A plan made ready to run: names as bytes, schemas and transcoders compiled, and for each node who waits for it. Runs nothing.

mod compile;

use std::sync::Arc;

use type_schema::{Schema, Transcoder};

use super::record::{Names, Part};
use super::value::Value;
use crate::diagnostic::Span;
use crate::plan::{Arithmetic, EachKind, OnError, Order, Plan, Policy, SiteId, StdFn};

/// A plan that can be run any number of times, also at once. Immutable; share it behind an `Arc`. Making one is linear in the plan and its types.
#[derive(Debug)]
pub struct Program {
    plan: Arc<Plan>,
    /// The root first, then the lambdas.
    codes: Vec<Code>,
}

/// Why a plan cannot be run: it contradicts itself. No source that checks gives such a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan contradicts itself: {reason}")]
pub struct InvalidPlan {
    /// The operation in the source.
    pub span: Span,
    /// What is wrong with it.
    pub reason: String,
}

impl Program {
    /// Makes a plan ready to run.
    ///
    /// # Errors
    /// When the plan contradicts itself.
    pub fn new(plan: Arc<Plan>) -> Result<Program, InvalidPlan> {
        let codes = compile::compile(&plan)?;
        Ok(Program { plan, codes })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub(super) fn code(&self, code: u32) -> &Code {
        &self.codes[code as usize]
    }

    pub(super) fn codes(&self) -> usize {
        self.codes.len()
    }
}

/// A body. All node numbers are positions in `steps`.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) steps: Box<[Step]>,
    /// The node that a lambda gives.
    pub(super) result: Option<u32>,
    /// Whether no module is called in it, so that nothing is gained by several elements at once.
    pub(super) pure: bool,
    /// Whether its elements may be given up while the run goes on.
    pub(super) cancellable: bool,
}

/// A node.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) instr: Instr,
    /// Operands that it always needs, each once.
    pub(super) needs: Box<[u32]>,
    /// What is begun with it.
    pub(super) early: Box<[u32]>,
    /// All operands, each once.
    pub(super) operands: Box<[u32]>,
    /// Who has it as an operand.
    pub(super) users: Box<[User]>,
    /// How often its value is used: by users, as output or as result.
    pub(super) uses: u32,
    /// Whether it is an output.
    pub(super) output: bool,
    pub(super) span: Span,
}

/// A node that has another as an operand.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) node: u32,
    /// Whether it always needs it.
    pub(super) always: bool,
}

/// What a node does. An operation whose meaning depends on types is the variant, or has the flag, for its types.
#[derive(Debug)]
pub(super) enum Instr {
    Input(u32),
    Param(u32),
    Capture(u32),
    Literal(Value),
    /// The operand as it is.
    Same(u32),
    Transcode(u32, Box<Transcoder>),
    Record(Box<[Part]>),
    List(Box<[u32]>),
    Field(u32, Box<[u8]>),
    Project(u32, Names),
    Merge(u32, u32, Names),
    FieldEach(u32, Box<[u8]>),
    ProjectEach(u32, Names),
    MergeEach(u32, u32, Names),
    Arithmetic(Arithmetic, u32, u32),
    Order(Order, u32, u32),
    Equal {
        equal: bool,
        ieee: bool,
        a: u32,
        b: u32,
    },
    Not(u32),
    And(u32, u32),
    Or(u32, u32),
    Concat(Box<[u32]>),
    If {
        condition: u32,
        then: u32,
        otherwise: u32,
    },
    When {
        value: u32,
        condition: u32,
    },
    Coalesce {
        value: u32,
        default: u32,
    },
    Match {
        subject: u32,
        arms: Box<[(Check, u32)]>,
    },
    /// The value of the only variant that is left.
    Unwrap {
        subject: u32,
        variant: u32,
    },
    /// The variants that are left, with their new positions.
    Renumber {
        subject: u32,
        variants: Box<[(u32, u32)]>,
    },
    /// An Any as what it was tested to be.
    Cast(u32, Arc<Schema>),
    Std {
        function: StdFn,
        /// Whether it is about Floats.
        float: bool,
        args: Box<[u32]>,
    },
    Each(Box<EachInstr>),
    Call(Box<CallInstr>),
    Guard(Box<GuardInstr>),
}

/// When an arm is taken.
#[derive(Debug)]
pub(super) enum Check {
    Variants(Box<[u32]>),
    Some,
    Fits(Arc<Schema>),
    Always,
}

/// A lambda over a list.
#[derive(Debug)]
pub(super) struct EachInstr {
    pub(super) kind: EachKind,
    pub(super) list: u32,
    pub(super) initial: Option<u32>,
    pub(super) code: u32,
    /// Elements at once; `None` leaves it to the options of the run.
    pub(super) limit: Option<usize>,
}

/// A call of a module.
#[derive(Debug)]
pub(super) struct CallInstr {
    pub(super) site: SiteId,
    pub(super) module: usize,
    pub(super) input: u32,
    pub(super) policy: Policy,
}

/// What stands in for a failure.
#[derive(Debug)]
pub(super) struct GuardInstr {
    pub(super) value: u32,
    pub(super) fallback: Option<u32>,
    pub(super) on_error: OnError,
    /// The value of `Skip` and `Log`.
    pub(super) zero: Value,
    /// Whether a None in `ok` is left out.
    pub(super) optional: bool,
    /// What fails, for the log.
    pub(super) what: Box<str>,
}
