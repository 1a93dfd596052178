import { ChevronDownIcon, DropdownMenu, type MonacoEditor, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useState } from 'react';
import type { Person } from './config';
import { tokenIn, withToken } from './headers';
import { storage } from './storage';

const STORAGE_KEY = 'person';

/** Whom the page was last signed in as, when the gateway still offers that person. */
export function rememberedPerson(people: Person[]): Person | undefined {
  const email = storage.getItem(STORAGE_KEY);
  return people.find((person) => person.email === email);
}

/**
 * Says as whom the open tab speaks, and changes it. The headers tab is the one truth: what is picked here is written
 * there, and what is typed there shows here.
 */
export function SignedIn({ people }: { people: Person[] }) {
  const { editor, tab } = useGraphiQL((state) => ({
    editor: state.headerEditor,
    tab: state.tabs[state.activeTabIndex]?.id,
  }));
  const { updateActiveTabValues } = useGraphiQLActions();
  const [token, setToken] = useState<string | null>(null);
  const [picked, setPicked] = useState(() => rememberedPerson(people));
  const current = people.find((person) => person.token === token);

  useEffect(() => {
    if (!editor) {
      return;
    }
    const read = () => setToken(tokenIn(editor.getValue()));
    read();
    const listener = editor.onDidChangeModelContent(read);
    return () => listener.dispose();
  }, [editor]);

  // Each tab has headers of its own: a tab that was opened as another of these people follows when it is next looked at.
  // A token that is none of theirs was put there by hand, and stays.
  useEffect(() => {
    if (!editor || !picked) {
      return;
    }
    const found = tokenIn(editor.getValue());
    if (found !== picked.token && people.some((person) => person.token === found)) {
      write(editor, picked);
    }
  }, [editor, tab, picked, people]);

  function write(editor: MonacoEditor, { token }: Person) {
    const headers = withToken(editor.getValue(), token);
    // GraphiQL would notice by itself, but later: who goes to another tab at once would come back to the old headers.
    updateActiveTabValues({ headers });
    editor.setValue(headers);
  }

  function pick(person: Person) {
    storage.setItem(STORAGE_KEY, person.email);
    setPicked(person);
    if (editor) {
      write(editor, person);
    }
  }

  return (
    <DropdownMenu>
      <DropdownMenu.Button className="signed-in" title={current?.email ?? 'See the headers tab'}>
        <span>Signed in as</span> <strong>{current?.name ?? (token === null ? 'nobody' : 'someone else')}</strong>
        <ChevronDownIcon aria-hidden="true" />
      </DropdownMenu.Button>
      <DropdownMenu.Content align="end">
        {people.map((person) => (
          <DropdownMenu.Item
            key={person.email}
            className={person === current ? 'person current' : 'person'}
            onSelect={() => pick(person)}
          >
            {person.name}
            <small>{person.email}</small>
          </DropdownMenu.Item>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}
