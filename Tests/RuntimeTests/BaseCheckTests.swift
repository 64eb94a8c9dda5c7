import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import TinaRuntime

/// An adapter that names its base is attached to that base, and to no other.
@Suite("The base that an adapter belongs to")
struct BaseCheckTests {
  private let folder = TemporaryFolder()

  private func adapter(of base: String) throws -> Adapter {
    var adapter = try Adapter(path: fixture("adapter-all-r4"))
    adapter.base = try BaseIdentity(of: StoredBase(path: fixture(base)))
    return adapter
  }

  @Test("the same weights, however they lie in files", arguments: ["tiny-f32", "tiny-sharded"])
  func same(base: String) throws {
    let attached = try AttachedAdapter(adapter(of: "tiny-f32"), to: Model(path: fixture(base), threads: 1))
    #expect(attached.notes.isEmpty)
  }

  @Test("other weights are refused, unless that is asked for")
  func otherWeights() throws {
    let model = try Model(path: otherWeightsModel(), threads: 1)
    let adapter = try adapter(of: "tiny-f32")
    do throws(RuntimeError) {
      _ = try AttachedAdapter(adapter, to: model)
      Issue.record("attached")
    } catch {
      guard case .otherBase(_, let base, let difference, _) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(base == model.directory.path && difference.distance > 0.5)
      for part in [adapter.path, base, difference.worstKind, " % apart", "--allow-base-mismatch"] {
        #expect(error.description.contains(part))
      }
    }
    let attached = try AttachedAdapter(adapter, to: model, allowBaseMismatch: true)
    #expect(attached.notes.count == 1 && attached.notes[0].contains("is not the base it belongs to"))
  }

  @Test("shapes that do not fit are refused before anything is decoded")
  func shapesFirst() throws {
    let path = folder.path + "/a.tina"
    try TinaWriter.write(AdapterFile(path: fixture("adapter-all-r4")).archive, to: path)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    for i in bytes.count - 64..<bytes.count { bytes[i] ^= 0xFF }
    let damaged = folder.write("damaged.tina", bytes)
    let wide = try Model(path: fixture("tiny-wide-heads"), threads: 1)
    do {
      _ = try AttachedAdapter(AdapterSource(path: damaged), to: wide)
      Issue.record("attached")
    } catch let error as RuntimeError {
      guard case .adapterMismatch(_, _, let violations, _) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(violations.contains { $0.contains("expected [") })
    }
    // On its own base the damage is what is found.
    let own = try Model(path: fixture("tiny-f32"), threads: 1)
    #expect(throws: AdapterError.self) { try AttachedAdapter(AdapterSource(path: damaged), to: own) }
  }

  @Test("another shape is refused even if a mismatch is allowed")
  func otherShape() throws {
    let model = try Model(path: fixture("tiny-wide-heads"), threads: 1)
    let adapter = try adapter(of: "tiny-f32")
    do throws(RuntimeError) {
      _ = try AttachedAdapter(adapter, to: model, allowBaseMismatch: true)
      Issue.record("attached")
    } catch {
      guard case .adapterMismatch(_, _, let violations, _) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(violations.contains { $0.hasPrefix("head_dim 20, the adapter's base has ") })
    }
  }

  @Test("an adapter that does not tell is attached with a note")
  func notIdentified() throws {
    let attached = try AttachedAdapter(
      Adapter(path: fixture("adapter-all-r4")), to: Model(path: fixture("tiny-f32"), threads: 1))
    #expect(attached.notes.count == 1 && attached.notes[0].contains("base not identified"))
  }

  @Test("the check reads the sketch only", .enabled(if: bigModel != nil, "TINA_BIG_MODEL names no model"))
  func cost() throws {
    let directory = try StoredBase(path: bigModel ?? "")
    let clock = ContinuousClock()
    var identity: BaseIdentity?
    let making = try clock.measure { identity = try BaseIdentity(of: directory) }
    let model = try Model(path: bigModel ?? "", threads: 1)
    for turn in 1...3 {
      var result: BaseComparison?
      let checking = try clock.measure {
        result = try identity?.compare(to: StoredBase(model.directory))
      }
      print("| check \(turn) | \(checking) |")
      #expect(result == .same)
    }
    print("| identity of the whole model, \(identity?.bytes.count ?? 0) bytes | \(making) |")
  }

  /// A copy of tiny-f32 whose weights are those of tiny-f32 in reverse order.
  private func otherWeightsModel() throws -> String {
    let target = folder.path("other")
    try FileManager.default.copyItem(atPath: fixture("tiny-f32"), toPath: target)
    let file = URL(fileURLWithPath: target + "/model.safetensors")
    var bytes = [UInt8](try Data(contentsOf: file))
    let header = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let words = (bytes.count - header) / 4
    for i in 0..<(words / 2) {
      for byte in 0..<4 { bytes.swapAt(header + 4 * i + byte, header + 4 * (words - 1 - i) + byte) }
    }
    try FileManager.default.removeItem(at: file)
    try Data(bytes).write(to: file)
    return target
  }
}

private let bigModel = ProcessInfo.processInfo.environment["TINA_BIG_MODEL"]
