import Foundation
import ModelFiles
import Testing

/// A directory that disappears with the object.
final class TemporaryDirectory: Sendable {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "tina-files-" + UUID().uuidString
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  func write(_ name: String, _ bytes: some Sequence<UInt8>) -> String {
    let file = path + "/" + name
    try? Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  func write(_ name: String, _ text: String) -> String { write(name, text.utf8) }
}

/// A safetensors file built by hand: any header before any data.
func safetensors(header: String, data: [UInt8] = [], claiming length: UInt64? = nil) -> [UInt8] {
  let length = length ?? UInt64(header.utf8.count)
  return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) } + Array(header.utf8) + data
}

/// A valid safetensors file of zeros, or of `fill`.
func safetensors(_ tensors: [(name: String, type: ElementType, shape: [Int])], fill: UInt8 = 0) -> [UInt8] {
  var offset = 0
  let entries = tensors.map { tensor in
    let size = tensor.shape.reduce(1, *) * tensor.type.bitSize / 8
    offset += size
    return "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":\(tensor.shape),"
      + "\"data_offsets\":[\(offset - size),\(offset)]}"
  }
  return safetensors(
    header: "{" + entries.joined(separator: ",") + "}", data: [UInt8](repeating: fill, count: offset))
}

/// Runs `body`, which must throw, and checks that the error's text holds every fragment.
@discardableResult
func expectFailure<T>(
  _ fragments: [String], kind: ModelFilesError.Kind? = nil, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws(ModelFilesError) -> T
) -> ModelFilesError? {
  do throws(ModelFilesError) {
    _ = try body()
    Issue.record("no error was thrown", sourceLocation: sourceLocation)
    return nil
  } catch {
    for fragment in fragments {
      #expect(error.description.contains(fragment), sourceLocation: sourceLocation)
    }
    if let kind { #expect(error.kind == kind, sourceLocation: sourceLocation) }
    return error
  }
}

/// Numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Real files kept outside the repository, or nil: `TINA_SHARED`, or `shared` beside the checkout.
let sharedData: String? = {
  let beside = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared").path
  let folder = (ProcessInfo.processInfo.environment["TINA_SHARED"] ?? beside) + "/data"
  return FileManager.default.fileExists(atPath: folder) ? folder : nil
}()
