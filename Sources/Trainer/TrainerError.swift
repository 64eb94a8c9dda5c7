public import ModelFiles

/// Why a training run did not start or did not go on.
public typealias TrainerError = Refusal<TrainerErrorKind>

/// The families of ``TrainerError``.
public enum TrainerErrorKind: Sendable, Equatable {
  /// The recipe has an unknown key or a value out of range.
  case recipe
  /// The data set can't be read, or lacks what the recipe needs.
  case data
  /// Memory does not suffice.
  case resources
  /// A number is NaN or infinite.
  case notFinite
  /// A reward of one's own is no number for each completion, or has no name.
  case reward
  /// The rewards or completions would teach nothing.
  case noSignal
  /// A checkpoint or run folder can't be read, or belongs to another run.
  case checkpoint
  /// A server that samples can't be used.
  case server
  /// A run's files can't be written.
  case unwritable
}
