public import ModelFiles

/// Why a command that judges completions can't be used, or did not do what the protocol asks for.
public typealias JudgeError = Refusal<JudgeErrorKind>

/// The families of ``JudgeError``.
public enum JudgeErrorKind: Sendable, Equatable {
  /// The command is no program with arguments, or its program can't be started.
  case command
  /// The process ended, and starting it again did not help.
  case ended
  /// The process took longer than its time limit.
  case timeLimit
  /// What the process wrote is no answer.
  case reply
}
