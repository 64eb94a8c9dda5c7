import AdapterFormat
import Foundation
import ModelFiles
import TinaRuntime
import Tokenization

/// What `tina verify` finds in a model, a Hugging Face directory or a GGUF file.
struct VerifiedModel {
  var summary = ""
  var violations: [AdapterError.Violation] = []
  var remarks: [String] = []

  /// Whether a path holds a whole model rather than an adapter. A damaged file counts as neither.
  static func isThere(_ path: String) -> Bool {
    let exists = { FileManager.default.fileExists(atPath: path + "/" + $0) }
    if exists("config.json") { return !exists("adapter_config.json") }
    guard let file = try? GGUFFile(path: path) else { return false }
    return file["general.type"]?.text ?? "model" == "model"
  }

  init(_ path: String) {
    do {
      let directory = try StoredModel(path: path)
      // Checks that every tensor of the configuration is there, with its shape, in a type that kernels compute on.
      _ = try Model(path: path, threads: 1)
      violations = directory.nonFinite().map(Self.violation)
      checkTokenizer(directory)
      if violations.isEmpty { try summarise(directory) }
    } catch let error as ModelFilesError {
      violations.append(Self.violation(error))
    } catch RuntimeError.weightsMismatch(let path, let mismatches) {
      violations += mismatches.map {
        .init(
          .badTensor, file: path, found: $0, expected: "the tensors that the configuration calls for",
          advice: "Check that configuration and weights are of the same model and arrived whole.")
      }
    } catch {
      violations.append(.init(.malformed, file: path, found: "\(error)", expected: "a model that can be run"))
    }
  }

  private static func violation(_ error: ModelFilesError) -> AdapterError.Violation {
    error.restated(.malformed)
  }

  private mutating func checkTokenizer(_ directory: StoredModel) {
    let isThere =
      directory.gguf.map { $0["tokenizer.ggml.model"] != nil }
      ?? FileManager.default.fileExists(atPath: directory.path + "/tokenizer.json")
    guard isThere else {
      remarks.append("no tokenizer: it takes token ids, and no text")
      return
    }
    do throws(TokenizationError) {
      _ = try Tokenizer(directory: directory.path)
    } catch {
      violations.append(
        .init(
          .malformed, file: directory.path, place: "tokenizer", found: "\(error)",
          expected: "a tokenizer that can be read"))
    }
  }

  private mutating func summarise(_ directory: StoredModel) throws {
    let weights = directory.weights
    let types = Set(weights.tensors.values.map(\.elementType.rawValue))
    let count = weights.tensors.values.reduce(0) { $0 + $1.elementCount }
    summary =
      "\(Figures.count(weights.tensors.count, "tensor")) in"
      + " \(types.sorted().joined(separator: ", ")), \(Figures.grouped(count)) weights, weights digest"
      + " \(try directory.weightsDigest())"
    remarks.append(
      "models hold no checksums: what was checked is places, names, shapes, types, finite numbers and the tokenizer;"
        + " another copy of the same model has the same digest")
  }
}
