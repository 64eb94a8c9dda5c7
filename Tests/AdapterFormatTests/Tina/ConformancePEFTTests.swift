import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

/// A directory of PEFT, and what the corpus says that it becomes (section 17 of the format).
private struct Directory: CustomTestStringConvertible, Sendable {
  let object: JSONObject
  var testDescription: String { object["note"]?.string ?? "" }
  var isRefused: Bool { object["refused"]?.bool == true }

  static let all: [Directory] = {
    let manifest = try? JSON.parse(path: Checkout.path("spec/conformance/manifest.json"))
    return (manifest?.object?["peft"]?.array ?? []).compactMap(\.object).map { Directory(object: $0) }
  }()

  func write(_ folder: TemporaryFolder) {
    let tensors = (object["tensors"]?.object.map { Array($0.members) } ?? []).enumerated().map {
      number, member in
      TestTensor(name: member.0, shape: member.1.array?.compactMap(\.int) ?? [], value: Float(number + 1))
    }
    folder.write("adapter_config.json", object["configuration"]?.text() ?? "")
    folder.write("adapter_model.safetensors", safetensors(tensors))
  }

  /// What the corpus says of an entry, in the order of its fields there.
  static func describe(_ record: TinaCatalog.Entry, _ entry: AdapterEntry) -> JSONValue {
    var fields: [(key: String, value: JSONValue)] = [
      ("kind", JSONValue(Int(record.kind.rawValue))), ("module", .string(record.module)),
      ("path", .string(record.path)), ("parameter", .string(record.parameter)),
      ("origin", JSONValue(Int(record.origin))), ("scale", JSONValue(Double(record.scale))),
      ("alpha", record.alpha.map { JSONValue($0) } ?? .null),
    ]
    if let names = record.attributes?["tensor_names"] { fields.append(("tensor_names", names)) }
    if case .rows(_, let ids) = entry.content {
      fields.append(("rows", .array(ids.map { JSONValue($0) })))
    }
    return .object(JSONObject(fields))
  }
}

@Suite("Conformance: PEFT's directories")
struct ConformancePEFTTests {
  @Test("the corpus is there")
  func corpus() {
    #expect(Directory.all.count >= 100 && Directory.all.count { $0.isRefused } >= 35)
  }

  @Test("a directory becomes its entries and comes back, or is refused", arguments: Directory.all)
  private func entries(_ one: Directory) throws {
    let folder = TemporaryFolder()
    one.write(folder)
    do throws(AdapterError) {
      try TinaWriter.write(AdapterFile(path: folder.path).archive, to: folder.path + "/a.tina")
    } catch {
      #expect(one.isRefused || one.object["may_refuse"]?.bool == true, "\(error)")
      return
    }
    guard !one.isRefused else {
      Issue.record("it was converted")
      return
    }
    let file = try TinaFile(path: folder.path + "/a.tina")
    let read = try file.archive()
    let found = zip(file.catalog.entries, read.entries).map { Directory.describe($0, $1) }
    let expected = one.object["entries"]?.array ?? []
    #expect(found.count == expected.count)
    for (found, expected) in zip(found, expected) {
      // Numbers are compared as numbers, whatever their digits.
      for (key, value) in expected.object.map({ Array($0.members) }) ?? [] {
        let its = found.object?[key]
        #expect(its == value || (value.double != nil && its?.double == value.double), "\(key): \(found)")
      }
      #expect(found.object?.keys.count == expected.object?.keys.count)
    }
    try read.export(.peft, to: folder.path + "/again")
    let names = ["adapter_config.json", "adapter_model.safetensors"]
    let before = try SafetensorsFile(path: folder.path + "/" + names[1]).tensors
    let after = try SafetensorsFile(path: folder.path + "/again/" + names[1]).tensors
    #expect(
      Dictionary(uniqueKeysWithValues: before.map { ($0.name, bytes(of: $0)) })
        == Dictionary(uniqueKeysWithValues: after.map { ($0.name, bytes(of: $0)) }))
    #expect(
      try JSON.parse(path: folder.path + "/" + names[0])
        == JSON.parse(path: folder.path + "/again/" + names[0]))
  }
}
