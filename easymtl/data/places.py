"""Where in the files the rows of a batch are, in words: for messages about data."""

from easymtl.data.blocks import Block, Source
from easymtl.data.chunks import block_order
from easymtl.data.order import WHOLE, Cursor, Share
from easymtl.errors import quoted


def place_of_rows(
    source: Source,
    begin: Cursor,
    end: Cursor,
    num_rows: int,
    shuffle: bool = False,
    seed: int = 0,
    window_rows: int = 1,
    share: Share = WHOLE,
) -> str:
    """Returns where a batch came from, such as `32 rows of data.csv from row 65 on`.

    It reads the first block up to the batch, so no other thread may read the source. Shuffled rows come from all
    over a window: then the files that the window reads are named.

    Args:
        source: what was read.
        begin: the cursor before the batch.
        end: the cursor after it.
        num_rows: its rows.
        shuffle: of the feed.
        seed: of the feed.
        window_rows: rows that the feed permutes together, at least.
        share: of the feed; of a part of the data the files are named, not the rows.

    Raises:
        UserError: the data can no longer be read.
    """
    if share != WHOLE:
        in_pass = f" in pass {begin.epoch + 1} over the data" if begin.epoch else ""
        files = dict.fromkeys(block.file.name for block in source.blocks)
        return f"{num_rows:,} rows of part {share.index + 1} of {share.size} of {quoted(files, limit=5)}{in_pass}"
    order = block_order(len(source.blocks), shuffle, seed, begin.epoch)
    if begin.block >= len(order):  # The end of an epoch is the start of the next one.
        begin = Cursor(begin.epoch + 1)
        order = block_order(len(source.blocks), shuffle, seed, begin.epoch)
    blocks = [source.blocks[place] for place in order[begin.block :]]
    in_pass = f" in pass {begin.epoch + 1} over the data" if begin.epoch else ""
    if shuffle:
        return f"{num_rows:,} rows of {_window(blocks, begin, end, window_rows)}{in_pass}"
    row = 1 + begin.row + _rows_before(source, blocks[0], begin.chunk)
    start, where = _start(source, blocks[0])
    text = f"{num_rows:,} rows of {blocks[0].file.name} from row {start + row:,} on{where}"
    last = _last_block(blocks, begin, end)
    rest = f", up to {last.file.name}" if last.file != blocks[0].file else ""
    wrapped = ", and from the start of the data again" if end.epoch > begin.epoch and end != Cursor(end.epoch) else ""
    return text + rest + wrapped + in_pass


def _rows_before(source: Source, block: Block, chunk: int) -> int:
    batches = source.read(block) if chunk else iter(())
    return sum(next(batches).num_rows for _ in range(chunk))


def _start(source: Source, block: Block) -> tuple[int, str]:
    """Returns the rows of the file before the block, or 0 and from where on rows are counted."""
    earlier = [one for one in source.blocks if one.file == block.file and one.start < block.start]
    counts = [one.num_rows for one in earlier]
    if None in counts:
        return 0, f" (counted from byte {block.start:,})"
    return sum(count or 0 for count in counts), ""


def _last_block(blocks: list[Block], begin: Cursor, end: Cursor) -> Block:
    if end.epoch > begin.epoch:
        return blocks[-1]
    place = end.block - begin.block - (0 if end.chunk or end.row else 1)
    return blocks[min(max(place, 0), len(blocks) - 1)]


def _window(blocks: list[Block], begin: Cursor, end: Cursor, window_rows: int) -> str:
    """Names the files that the shuffled window reads, as far as the files tell how many rows they hold."""
    used: list[Block] = []
    left = window_rows
    for block in blocks:
        used.append(block)
        left -= block.num_rows or 0
        if left <= 0 and not begin.chunk:
            break
    is_known = all(block.num_rows is not None for block in used) or len(used) == 1
    names = list(dict.fromkeys(block.file.name for block in used))
    begun = f", beginning in {names[0]}" if not is_known and len(names) > 1 else ""
    if end.block > begin.block or end.epoch > begin.epoch:
        begun += ", and of what follows it"
    return f"a shuffled window of {quoted(names, limit=5)}{begun}"
