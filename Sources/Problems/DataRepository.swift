import ModelFiles
import Support

/// Chooses the file of a repository that holds the records to learn from.
package enum DataRepository {
  private static let endings = [".jsonl", ".json", ".csv", ".tsv"]

  /// The only file that can hold records, or the only one whose path tells of training.
  ///
  /// - Parameters:
  ///   - paths: all files of the repository.
  ///   - name: the repository, for errors.
  /// - Throws: `ProblemError` that tells what is there if there is none, or several.
  package static func file(of paths: [String], in name: String) throws(ProblemError) -> String {
    let names = paths.filter { path in
      let file = path.split(separator: "/").last ?? ""
      return endings.contains(where: file.hasSuffix) && !file.hasPrefix("dataset_info")
        && !file.hasPrefix(".")
    }.sorted()
    if names.count == 1 { return names[0] }
    let training = names.filter { $0.utf8.count < 4096 && $0.lowercased().contains("train") }
    if training.count == 1 { return training[0] }
    let list = { (files: [String]) in
      files.prefix(6).map { quoted($0) }.joined(separator: ", ") + (files.count > 6 ? ", …" : "")
    }
    if !names.isEmpty {
      throw ProblemError(
        name, "", found: "\(names.count) files of data (\(list(names)))", expected: "one",
        remedy: "Name the file: hf://datasets/org/name/FILE.")
    }
    let tables = paths.filter { $0.hasSuffix(".parquet") }.sorted()
    if !tables.isEmpty {
      throw ProblemError(
        name, "", found: "Parquet files alone (\(list(tables)))", expected: "JSON lines, a JSON array or CSV",
        remedy: RecordFile.conversion("a file of them"))
    }
    throw ProblemError(
      name, "", found: paths.isEmpty ? "no file" : "no file of data (\(list(paths.sorted())))",
      expected: "JSON lines, a JSON array or CSV")
  }
}
