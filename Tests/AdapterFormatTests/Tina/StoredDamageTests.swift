import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

/// Damage in files whose numbers are stored plainly, which are used in place.
@Suite struct StoredDamageTests {
  @Test func everyByteIsCompared() throws {
    let folder = TemporaryFolder()
    let path = folder.path("a.tina")
    var options = TinaOptions()
    options.isPlain = true
    try TinaWriter.write(trainedArchive(pairs: 2, rank: 2, input: 12, output: 10), to: path, options: options)
    let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    _ = try Adapter(path: path)
    var trusted = 0
    for position in whole.indices {
      var damaged = whole
      damaged[position] ^= UInt8(1 << (position % 8))
      let copy = folder.write("damaged.tina", damaged)
      #expect(throws: AdapterError.self, "byte \(position)") { try Adapter(path: copy) }
      #expect(throws: AdapterError.self, "byte \(position)") { try AdapterFile(path: copy) }
      if (try? AdapterFile(path: copy, isTrusted: true)) != nil { trusted += 1 }
    }
    // What is asked to be trusted is.
    #expect(trusted > 300)
  }

  @Test func anOpenedAdapterDoesNotDependOnItsFile() throws {
    let folder = TemporaryFolder()
    let path = folder.path("a.tina")
    var options = TinaOptions()
    options.isPlain = true
    try TinaWriter.write(trainedArchive(pairs: 1, rank: 2, input: 12, output: 10), to: path, options: options)
    var peft = TestAdapter()
    peft.tensors = TestAdapter.pair("model.layers.0.self_attn.q_proj")
    peft.write()
    for (adapter, file) in [
      (path, path), (peft.directory.path, peft.directory.path("adapter_model.safetensors")),
    ] {
      let opened = try Adapter(path: adapter)
      let before = opened.modules.map { $0.a.floats() + $0.b.floats() }
      let handle = try #require(FileHandle(forWritingAtPath: file))
      try handle.truncate(atOffset: 0)
      #expect(opened.modules.map { $0.a.floats() + $0.b.floats() } == before)
    }
  }
}
