import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("Weights of a directory")
struct WeightFilesTests {
  let directory = TemporaryFolder()

  private func index(_ map: String) -> String {
    directory.write("model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":\(map)}")
  }

  private func shard(_ name: String, _ tensors: String...) -> String {
    directory.write(name, safetensors(tensors.map { ($0, .f32, [2]) }))
  }

  private func refuse(_ fragments: String..., sourceLocation: SourceLocation = #_sourceLocation) {
    expectFailure(fragments, sourceLocation: sourceLocation) { () throws(ModelFilesError) in
      try WeightFiles(directory: directory.path)
    }
  }

  @Test("one file; it wins over an index")
  func single() throws {
    _ = shard("model.safetensors", "a", "b")
    _ = index("{\"x\":\"y.safetensors\"}")
    let weights = try WeightFiles(directory: directory.path)
    #expect(Set(weights.tensors.keys) == ["a", "b"] && weights.files.count == 1)
    weights.prefetch()
  }

  @Test("shards with an index")
  func sharded() throws {
    _ = shard("s1.safetensors", "a", "b")
    _ = shard("s2.safetensors", "c")
    _ = index(#"{"a":"s1.safetensors","c":"s2.safetensors","b":"s1.safetensors"}"#)
    let weights = try WeightFiles(directory: directory.path)
    #expect(Set(weights.tensors.keys) == ["a", "b", "c"])
    #expect(weights.files.map { $0.split(separator: "/").last } == ["s1.safetensors", "s2.safetensors"])
    #expect(weights.tensors["c"]?.file?.path.hasSuffix("s2.safetensors") == true)
  }

  @Test("a missing shard is named")
  func missingShard() {
    _ = shard("s1.safetensors", "a")
    _ = index(#"{"a":"s1.safetensors","c":"s2.safetensors"}"#)
    refuse("/s2.safetensors", "no such file", "2 files", "index.json")
  }

  @Test("a tensor that the index promises and the shard lacks")
  func missingTensor() {
    _ = shard("s1.safetensors", "a")
    _ = index(#"{"a":"s1.safetensors","c":"s1.safetensors"}"#)
    refuse("s1.safetensors: tensor \"c\"", "no such tensor", "index")
  }

  @Test("a tensor that the index does not list, or lists elsewhere")
  func extraTensor() {
    _ = shard("s1.safetensors", "a", "b")
    _ = index(#"{"a":"s1.safetensors"}"#)
    refuse("s1.safetensors: tensor \"b\"", "does not list")
    _ = shard("s2.safetensors", "b")
    _ = index(#"{"a":"s1.safetensors","b":"s2.safetensors"}"#)
    refuse("s1.safetensors: tensor \"b\"", "places in \"s2.safetensors\"")
  }

  @Test(
    "shards are plain names",
    arguments: [
      "../s.safetensors", "/etc/s.safetensors", "a\\\\b.safetensors", ".safetensors", "s.bin", "",
      "s\\u0000.safetensors",
    ])
  func plainNames(name: String) {
    _ = index("{\"a\":\"\(name)\"}")
    refuse("index.json: weight_map, tensor \"a\"", "same directory")
  }

  @Test("an index of another form")
  func malformedIndex() {
    _ = directory.write("model.safetensors.index.json", "{\"weight_map\":[]}")
    refuse("index.json: weight_map", "found []")
    _ = directory.write("model.safetensors.index.json", "[]")
    refuse("index.json: weight_map", "nothing")
    _ = index("{\"a\":1}")
    refuse("tensor \"a\"", "found 1")
  }

  @Test("a directory without weights says what was looked for")
  func absent() {
    refuse(directory.path, "model.safetensors or model.safetensors.index.json", "neither")
  }

  @Test("a directory with other weights says which are there")
  func otherFormats() {
    _ = directory.write("pytorch_model.bin", "x")
    refuse("\"pytorch_model.bin\"", "pickles", "save the model as safetensors")
    try? FileManager.default.removeItem(atPath: directory.path + "/pytorch_model.bin")
    _ = directory.write("model-q8.gguf", "x")
    refuse("\"model-q8.gguf\"", "GGUF")
  }

  @Test("no tensors at all")
  func noTensors() {
    _ = directory.write("model.safetensors", safetensors(header: "{}"))
    refuse("model.safetensors", "no tensors")
  }

  @Test("a git-LFS pointer in place of the weights")
  func pointer() {
    _ = directory.write(
      "model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3554214621\n")
    refuse("model.safetensors", "git-LFS pointer", "3554214621", "git lfs pull")
  }
}
