/// Why a model's file could not be read: which file, where in it, what stands there, what should.
public typealias ModelFilesError = Refusal<ModelFilesErrorKind>

/// The families of ``ModelFilesError``.
public enum ModelFilesErrorKind: Sendable, Equatable {
  /// The file or directory does not exist.
  case missing
  /// The system refused to open, map or list it.
  case unreadable
  /// The file ends before its contents do.
  case truncated
  /// The bytes are of another, recognised format (git-LFS pointer, zip archive, GGUF, …).
  case foreignFormat
  /// The text is not JSON, or JSON of another form than the file must have.
  case malformed
  /// The text breaks no rule, and holds more of something than is read here.
  case beyondReader
  /// A tensor contradicts the file or the format.
  case badTensor
  /// A known setting with a value that cannot be.
  case badValue
  /// A model that is valid but not one that can be run.
  case unsupported
  /// The file was shortened or written to while it was in use.
  case changed
  /// The system refused to create, write or rename it.
  case unwritable
  /// Something else has its name, or another process is writing it.
  case occupied
}
