package io.bellis;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a launcher finds in a work page. */
class WorkPageTest {
  private static final long KEY = Long.parseUnsignedLong("18446744073709551000");

  private static ByteBuffer contentOf(Path file) throws IOException {
    return ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder());
  }

  @Test
  void eachConnectionHasAPlaceOfItsOwn(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("pages");
    ByteBuffer blank = ByteBuffer.allocate(8192).order(ByteOrder.nativeOrder());
    blank.put(4096, "BELLISWP".getBytes(StandardCharsets.US_ASCII));
    blank.putLong(4096 + 8, KEY);
    Files.write(file, blank.array());
    assertSame(WorkNote.NOWHERE, WorkPage.claim(file, 4096, KEY + 1, 7));
    assertSame(WorkNote.NOWHERE, WorkPage.claim(file, 0, KEY, 7));
    WorkNote first = WorkPage.claim(file, 4096, KEY, 7);
    WorkNote second = WorkPage.claim(file, 4096, KEY, 8);
    first.set(9, 300);
    second.set(8, WorkNote.SEVERAL);
    ByteBuffer content = contentOf(file);
    assertEquals(9, content.getLong(4096 + 16));
    assertEquals(300, content.getLong(4096 + 24));
    assertEquals(8, content.getLong(4096 + 32));
    assertEquals("18446744073709551615", Long.toUnsignedString(content.getLong(4096 + 40)));
    first.erase();
    assertEquals(0, contentOf(file).getLong(4096 + 16));
  }

  @Test
  void aNameThatLeadsElsewhereIsNotOpened(@TempDir Path folder) {
    assertSame(WorkNote.NOWHERE, WorkPage.claim("", 7));
    assertSame(WorkNote.NOWHERE, WorkPage.claim(folder + ":0:1", 7));
    assertSame(WorkNote.NOWHERE, WorkPage.claim("nonsense", 7));
  }
}
