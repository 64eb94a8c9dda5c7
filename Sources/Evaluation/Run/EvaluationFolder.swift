import Support

/// An evaluation's directory, which other processes are kept out of as long as this object lives.
public final class EvaluationFolder: Sendable {
  /// The directory.
  public let path: String
  private let lock: FolderLock

  /// Makes the directory unless it is there, and takes it.
  ///
  /// - Throws: `EvaluationError.busy` when another process has it; `.notWritten`.
  public init(_ path: String) throws(EvaluationError) {
    self.path = path
    let code = makeFolders(path)
    guard code == 0 else { throw .notWritten(file: path, reason: systemErrorText(code)) }
    do throws(FolderLock.Failure) {
      lock = try FolderLock(file: path + "/" + FolderLock.name, purpose: "tina eval")
    } catch {
      switch error {
      case .held(let holder): throw .busy(directory: path, holder: holder)
      case .system(_, let code): throw .notWritten(file: path, reason: systemErrorText(code))
      }
    }
  }
}
