import Foundation
import ModelFiles
import Testing

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
