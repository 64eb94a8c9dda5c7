package import Support

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Makes a folder and those above it.
///
/// - Throws: ``ModelFilesError`` of kind `unwritable`.
package func makeFolder(_ path: String) throws(ModelFilesError) {
  let code = makeFolders(path)
  guard code == 0 else { throw unwritable(path, "mkdir", code) }
}

/// Keeps other processes out of what is being written.
///
/// - Parameters:
///   - path: what is written, for messages.
///   - file: the lock's file.
///   - purpose: what the others are told.
/// - Throws: ``ModelFilesError`` that tells who has it.
package func lock(_ path: String, file: String, purpose: String) throws(ModelFilesError) -> FolderLock {
  do throws(FolderLock.Failure) {
    return try FolderLock(file: file, purpose: purpose)
  } catch {
    switch error {
    case .held(let holder):
      throw ModelFilesError(
        .occupied, file: path, found: "another process that is writing there (\(holder))", expected: "none",
        advice: "Wait for it, or choose another path.")
    case .system(let call, let code): throw unwritable(path, call, code)
    }
  }
}

/// A folder that is not there is a mistake in a name; anything else is a failure to write.
func kindOfFailure(_ code: Int32) -> ModelFilesErrorKind {
  code == ENOENT || code == ENOTDIR ? .missing : .unwritable
}

func unwritable(_ path: String, _ call: String, _ code: Int32) -> ModelFilesError {
  ModelFilesError(
    kindOfFailure(code), file: path, found: "\(call): \(systemErrorText(code))", expected: "to write there",
    advice: "Check the folder, its permissions and the disk.")
}
