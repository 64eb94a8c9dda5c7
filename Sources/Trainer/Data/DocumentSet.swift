import ModelFiles
import Problems
import TinaRuntime
import Tokenization

/// The documents of a run of supervised fine-tuning, in the places of its micro-batches.
struct DocumentSet: Sendable {
  let path: String
  let digest: String
  /// `[place][document]`: one document a place, or as many as fit when they are packed.
  let places: [[Document]]
  /// What was cut off or left out, one sentence each.
  let notes: [String]

  /// - Throws: ``TrainerError`` naming the record that can't be read.
  init(path: String, _ recipe: Recipe, _ prompts: PromptEncoder, endText: String) throws(TrainerError) {
    let settings = recipe.supervision
    let reader = DocumentReader(settings: settings, system: recipe.systemPrompt, prompts, endText: endText)
    var documents: [Document] = []
    var (cut, dropped) = (0, 0)
    let file: TextRecords
    do throws(ProblemError) {
      file = try TextRecords(path, names: recipe.columns)
      for index in 0..<file.count {
        for var document in try reader.documents(file, index) {
          if document.truncate(to: settings.maxLength) { cut += 1 }
          if document.labelCount == 0 {
            dropped += 1
          } else {
            documents.append(document)
          }
        }
      }
    } catch {
      throw TrainerError(
        .data, place: error.location, found: error.found, expected: error.expected, advice: error.remedy)
    }
    guard !documents.isEmpty else {
      throw TrainerError(
        .data, place: path, found: "no token to learn from in \(file.count) records",
        expected: "records with a token of the completion or the assistant among the first max_length = "
          + "\(settings.maxLength)")
    }
    var notes: [String] = []
    if cut > 0 {
      notes.append("\(cut) documents are longer than max_length = \(settings.maxLength) and lose their end")
    }
    if dropped > 0 { notes.append("\(dropped) documents have no token that counts and are left out") }
    if reader.hasSplit {
      notes.append(
        "the template writes earlier answers otherwise than new ones, so each answer is a document of its own"
      )
    }
    self.path = path
    digest = file.digest
    self.notes = notes
    places = settings.packs ? Self.pack(documents, into: settings.maxLength) : documents.map { [$0] }
  }

  /// Best fit, the longest first: each document goes where the least room stays.
  static func pack(_ documents: [Document], into length: Int) -> [[Document]] {
    var bins: [[Document]] = []
    // The bins with each amount of room, the oldest first.
    var byRoom: [Int: [Int]] = [:]
    let order = documents.indices.sorted {
      (documents[$1].tokens.count, $0) < (documents[$0].tokens.count, $1)
    }
    var rooms: Set<Int> = []
    for index in order {
      let count = documents[index].tokens.count
      let room = rooms.filter { $0 >= count }.min()
      if let room, let bin = byRoom[room]?.first {
        byRoom[room]?.removeFirst()
        if byRoom[room]?.isEmpty == true { rooms.remove(room) }
        bins[bin].append(documents[index])
        byRoom[room - count, default: []].append(bin)
        if room > count { rooms.insert(room - count) }
      } else {
        bins.append([documents[index]])
        byRoom[max(0, length - count), default: []].append(bins.count - 1)
        if length > count { rooms.insert(length - count) }
      }
    }
    return bins
  }

  /// The places of a step's micro-batches.
  ///
  /// - Parameter step: number of the step within the run, from 0.
  func microBatches(step: Int, _ recipe: Recipe) -> [[Document]] {
    let perEpoch = recipe.stepsPerEpoch(documents: places.count)
    let order = DataOrder.order(places.count, epoch: step / perEpoch, seed: recipe.seed)
    let first = step % perEpoch * recipe.stepSize
    let chosen = order[first..<min(first + recipe.stepSize, places.count)]
    return stride(from: chosen.startIndex, to: chosen.endIndex, by: recipe.batchSize).map { start in
      chosen[start..<min(start + recipe.batchSize, chosen.endIndex)].flatMap { places[$0] }
    }
  }
}
