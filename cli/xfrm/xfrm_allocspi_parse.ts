/** The words of `ip xfrm state allocspi` (iproute2 ip/xfrm_state.c xfrm_state_allocspi()). */
import type { Family } from "../address.ts";
import { duplicateArgument, EXIT_FAILURE, EXIT_REFUSED, invalidArgument, Quit } from "../quit.ts";
import type { AllocSpiRequest, XfrmMark, XfrmMode } from "../../api/schemas.ts";
import type { Words } from "../words.ts";
import { stateIdOf, takeU32, xfrmIdParse, type XfrmIdWords } from "./xfrm_id_parse.ts";
import { parseMode } from "./xfrm_proto.ts";
import { markToFind, takeMark } from "./xfrm_words.ts";

/** SPIs below are reserved (RFC 4303 §2.1); the largest is PF_KEY's, a CPI's is what 16 bits hold. */
const LEAST_SPI = 0x100;
const LARGEST_SPI = 0x0fffffff;
const LARGEST_CPI = 0xffff;

export function allocSpiParse(words: Words, family: Family): AllocSpiRequest {
  let id: XfrmIdWords | undefined;
  let mode: XfrmMode | undefined;
  let mark: XfrmMark | undefined;
  const numbers: { reqid?: number; seq?: number; min?: number; max?: number } = {};
  while (!words.done) {
    const word = words.peek();
    if (word === "mode" || word === "mark" || word === "reqid" || word === "seq") {
      words.take();
      if (word === "mode") mode = parseMode(words.take());
      else if (word === "mark") mark = takeMark(words);
      else if (word === "reqid") numbers.reqid = takeU32(words, "REQID value is invalid");
      else numbers.seq = takeU32(words, "SEQ value is invalid");
    } else if (word === "min" || word === "max") {
      words.take();
      if (numbers[word] !== undefined) throw duplicateArgument(word, word);
      numbers[word] = takeU32(words, `value after "${word}" is invalid`);
    } else {
      if (id !== undefined) throw invalidArgument("unknown", words.take());
      id = xfrmIdParse(words, family, false);
      if (id.spi) throw new Quit(EXIT_FAILURE, '"spi" is invalid');
    }
  }
  if (id === undefined) throw new Quit(EXIT_FAILURE, "Not enough information: ID is required");
  const range = spiRange(numbers, id);
  const refused = new Quit(EXIT_REFUSED, "RTNETLINK answers: Invalid argument");
  return {
    ...stateIdOf(id, refused),
    ...numbers,
    ...range,
    ...(mode === undefined ? {} : { mode }),
    ...markToFind(mark),
  };
}

function spiRange(
  { min, max }: { min?: number; max?: number },
  id: XfrmIdWords,
): { min: number; max: number } {
  if (min === undefined && max === undefined) {
    return { min: LEAST_SPI, max: id.proto === "comp" ? LARGEST_CPI : LARGEST_SPI };
  }
  if (max === undefined) throw new Quit(EXIT_FAILURE, '"max" is missing');
  if (min === undefined) throw new Quit(EXIT_FAILURE, '"min" is missing');
  if (min > max) throw new Quit(EXIT_FAILURE, 'value after "min" is larger than value after "max"');
  return { min, max };
}
