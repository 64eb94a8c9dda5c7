/// The word "answer" in the languages that lighteval knows, and its neighbours.
enum Anchors {
  private static let words: [[UInt8]] = [
    "答案", "答：", "答:", "回答", "答え", "解答", "정답", "답", "الجواب", "جواب", "إجابة", "الإجابة", "پاسخ", "उत्तर",
    "réponse",
    "respuesta", "resposta", "risposta", "antwort", "antwoord", "ответ", "Ответ", "відповідь", "Відповідь",
    "адказ",
    "отговор", "Отговор", "одговор", "odgovor", "odpověď", "odpoveď", "odpowiedź", "răspuns", "válasz",
    "vastaus",
    "vastus", "απάντηση", "Απάντηση", "cevap", "jawaban", "jibu", "sagot", "svar", "erantzuna", "đáp án",
    "Đáp án", "trả lời",
    "คำตอบ", "תשובה", "উত্তর", "જવાબ", "ਜਵਾਬ", "பதில்", "జవాబు", "సమాధానం", "җавап", "javob",
  ].map { TextFolding.folded($0) }

  /// By first byte, in lower case, so that one pass finds them all.
  private static let byFirst: [UInt8: [[UInt8]]] = Dictionary(grouping: words) {
    $0[0] | ($0[0].isLetter ? 0x20 : 0)
  }

  /// The end of the last such word.
  static func last(in bytes: [UInt8], from start: Int, before end: Int) -> Int? {
    var index = end - 1
    while index >= start {
      let first = bytes[index]
      if let candidates = byFirst[first | (first.isLetter ? 0x20 : 0)] {
        // "svar" is no part of a longer word in Latin letters.
        let isInside = first.isLetter && index > 0 && bytes[index - 1].isLetter
        if !isInside {
          for word in candidates where index + word.count <= end && isWord(word, bytes, index) {
            return index + word.count
          }
        }
      }
      index -= 1
    }
    return nil
  }

  /// Whether such a word begins at `index`.
  static func begins(_ bytes: [UInt8], _ index: Int) -> Bool {
    let first = bytes[index]
    guard let candidates = byFirst[first | (first.isLetter ? 0x20 : 0)],
      !first.isLetter || index == 0 || !bytes[index - 1].isLetter
    else { return false }
    return candidates.contains { index + $0.count <= bytes.count && isWord($0, bytes, index) }
  }

  private static func isWord(_ word: [UInt8], _ bytes: [UInt8], _ index: Int) -> Bool {
    for offset in word.indices.dropFirst() where bytes[index + offset] != word[offset] {
      guard word[offset].isLetter, bytes[index + offset] | 0x20 == word[offset] else { return false }
    }
    return true
  }
}
