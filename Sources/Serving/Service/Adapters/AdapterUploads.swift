import AdapterFormat
import Foundation
import ModelFiles
import Support

/// The adapters that clients send, kept in a folder of this server's own.
///
/// A file arrives under a name of its own, is checked and loaded, and takes the place of the earlier one in one step.
/// It stays as long as its adapter: the next one may be a difference from it.
public final class AdapterUploads: Sendable {
  /// The most bytes of a file.
  public let maxBytes: Int
  /// The folder, which nobody else may enter; it goes with this object.
  let folder: String

  private struct State: Sendable {
    /// The file of each adapter.
    var files: [String: String] = [:]
    var arriving = 0
    var number = 0
  }
  private let state = Locked(State())
  /// How many files may arrive at once, and how many names there may be.
  private static let arrivalLimit = 4
  private static let nameLimit = 64

  /// Makes the folder.
  ///
  /// - Parameter parent: where it is made; the folder for temporary files when nil.
  /// - Throws: `ServingError` where no folder can be made.
  public init(maxBytes: Int = 1 << 30, in parent: String? = nil) throws(ServingError) {
    self.maxBytes = maxBytes
    let parent = parent ?? FileManager.default.temporaryDirectory.path
    var name = Array((parent + "/tina-adapters-XXXXXX").utf8CString)
    let isMade = unsafe name.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
    guard isMade else {
      throw ServingError(
        500, "server_error",
        "\(parent): no folder for adapters can be made there: \(systemErrorText(errno)). Set TMPDIR to another."
      )
    }
    folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    TemporaryPaths.add(folder)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: folder)
    TemporaryPaths.forget(folder)
  }

  /// The files of all adapters: what a difference may be from.
  var parents: [String] { state.withLock { Array($0.files.values) } }

  /// Whether a client sent the adapter of this name.
  func owns(_ name: String) -> Bool { state.withLock { $0.files[name] != nil } }

  /// Makes room for a file.
  ///
  /// - Parameters:
  ///   - name: the adapter's name.
  ///   - digest: what its content must be, in hexadecimal; nil for anything.
  /// - Throws: `ServingError` where there is none.
  func begin(_ name: String, digest: String?) throws(ServingError) -> ArrivingAdapter {
    let number = try state.withLock { state -> Result<Int, ServingError> in
      guard state.arriving < Self.arrivalLimit else {
        return .failure(
          .busy(retryAfter: 2, "\(state.arriving) adapters are arriving, as many as may be. Try again later.")
        )
      }
      guard state.files[name] != nil || state.files.count < Self.nameLimit else {
        return .failure(
          .invalid(
            code: "too_many_adapters",
            "found \(state.files.count) adapters that clients sent, expected fewer than \(Self.nameLimit). DELETE one"
              + " first."))
      }
      state.arriving += 1
      state.number += 1
      return .success(state.number)
    }.get()
    let path = folder + "/arriving.\(number)"
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    if descriptor < 0 {
      let code = errno
      leave()
      throw Self.unwritable(code)
    }
    return ArrivingAdapter(name: name, digest: digest, path: path, descriptor) { [self] in leave() }
  }

  private func leave() { state.withLock { $0.arriving -= 1 } }

  static func unwritable(_ code: Int32) -> ServingError {
    ServingError(
      507, "server_error", code: "insufficient_storage",
      "the adapter can't be kept: \(systemErrorText(code)). Nothing has changed. Make room for temporary files on the"
        + " server.")
  }

  /// Makes a whole file of one that stores differences from an adapter that is here.
  ///
  /// - Throws: `AdapterError` for a file that is no .tina file, is damaged, or whose parent is not here.
  func complete(_ arrived: ArrivingAdapter) throws {
    let file = try TinaFile(path: arrived.path, parents: parents)
    guard file.parentDigest != nil else { return }
    var options = TinaOptions()
    options.isPlain = true
    options.keep(from: file, tensorsChange: false)
    try TinaWriter.write(file.archive(), to: arrived.path, options: options)
  }

  /// Keeps a file whose adapter is loaded.
  func keep(_ arrived: ArrivingAdapter) throws(ServingError) {
    let path = folder + "/" + hexadecimal(Digest.sha256(Array(arrived.name.utf8))) + ".tina"
    guard unsafe rename(arrived.path, path) == 0 else { throw Self.unwritable(errno) }
    state.withLock { $0.files[arrived.name] = path }
  }

  /// Removes the file of an adapter; false if no client sent one of that name.
  func remove(_ name: String) -> Bool {
    guard let path = state.withLock({ $0.files.removeValue(forKey: name) }) else { return false }
    try? FileManager.default.removeItem(atPath: path)
    return true
  }
}

/// A file that is arriving. It goes with this object unless it was kept.
package final class ArrivingAdapter: Sendable {
  /// The adapter's name.
  let name: String
  /// What its content must be, in hexadecimal; nil for anything.
  let digest: String?
  /// Where it is.
  let path: String
  // Event loops must not wait for disks.
  private let queue = DispatchQueue(label: "tina upload")
  private let descriptor: Int32
  private let fault = Locked<Int32>(0)
  private let onEnd: @Sendable () -> Void

  fileprivate init(
    name: String, digest: String?, path: String, _ descriptor: Int32, onEnd: @escaping @Sendable () -> Void
  ) {
    self.name = name
    self.digest = digest
    self.path = path
    self.descriptor = descriptor
    self.onEnd = onEnd
  }

  deinit {
    close(descriptor)
    unsafe unlink(path)
    onEnd()
  }

  /// Appends bytes, and then calls `done` on a thread of its own with the error, if there was one.
  package func append(_ bytes: [UInt8], _ done: @escaping @Sendable (ServingError?) -> Void) {
    queue.async { [self] in
      var code = fault.withLock { $0 }
      var written = 0
      while code == 0, written < bytes.count { code = writeSome(bytes, &written, to: descriptor) }
      fault.withLock { $0 = code }
      done(code == 0 ? nil : AdapterUploads.unwritable(code))
    }
  }

  /// Waits until everything is written.
  func finish() async throws {
    await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
    let code = fault.withLock { $0 }
    if code != 0 { throw AdapterUploads.unwritable(code) }
  }
}
